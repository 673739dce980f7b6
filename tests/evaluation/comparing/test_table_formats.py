import csv
import html
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evaluation.comparing.table_formats import to_csv, to_latex, to_markdown
from tocsin.evaluation.table import Table
from tocsin.pipeline.errors import TocsinError

BOARD = Table(
    "Leaderboard, causal",
    ("detector", "vus_pr", "best_f1†", "delay"),
    (
        ("moving_std_50", "0.583 [0.512, 0.640]", "0.700", "12"),
        ("knn_train", "0.583 [0.500, 0.660]", "0.800", "-"),
        ("random", "0.100 [0.090, 0.110]", "-", "3"),
    ),
    numbers=(1, 2, 3),
    note="† oracle: 50 % of R&D_x.",
)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_csv_gives_back_every_cell(rows):
    table = Table("T", ("a", "b,c"), tuple(rows))
    read = csv.reader(io.StringIO(to_csv(table), newline=""))
    assert [tuple(row) for row in read] == [table.head, *table.rows]


def test_markdown_of_a_leaderboard():
    assert to_markdown(BOARD, highest=(1, 2), lowest=(3,)).splitlines() == [
        "**Leaderboard, causal**",
        "",
        "| detector | vus\\_pr | best\\_f1† | delay |",
        "| --- | ---: | ---: | ---: |",
        "| moving\\_std\\_50 | **0.583 [0.512, 0.640]** | 0.700 | 12 |",
        "| knn\\_train | **0.583 [0.500, 0.660]** | **0.800** | - |",
        "| random | 0.100 [0.090, 0.110] | - | **3** |",
        "",
        "† oracle: 50 % of R&amp;D\\_x.",
    ]


def test_latex_of_a_leaderboard():
    assert to_latex(BOARD, highest=(1,)).splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Leaderboard, causal}",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"detector & vus\_pr & best\_f1\textsuperscript{\textdagger} & delay \\",
        r"\midrule",
        r"moving\_std\_50 & \textbf{0.583 [0.512, 0.640]} & 0.700 & 12 \\",
        r"knn\_train & \textbf{0.583 [0.500, 0.660]} & 0.800 & - \\",
        r"random & 0.100 [0.090, 0.110] & - & 3 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip",
        r"\footnotesize \textsuperscript{\textdagger} oracle: 50 \% of R\&D\_x.",
        r"\end{table}",
    ]


def unescaped(markdown):
    return html.unescape(re.sub(r"\\([\\`*_|~$(])", r"\1", markdown.replace("]\\(", "](")))


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_markdown_shows_a_cell_as_it_is(cell):
    line = to_markdown(Table("", ("a",), ((cell,),))).splitlines()[2]
    assert line.startswith("| ")
    assert unescaped(line[2:-2]) == cell


@given(st.text(max_size=30))
def test_no_cell_adds_a_column_or_a_row_to_markdown(cell):
    lines = to_markdown(Table("", ("a", "b"), ((cell, "x"),))).split("\n")
    assert len(lines) == 4
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[2])) == 3


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("<b>", "&lt;b&gt;"),
        ("&lt;", "&amp;lt;"),
        ("[x](http://y)", "[x]\\(http://y)"),
        ("a\nb", "a\\\\nb"),
        ("`*~$|", "\\`\\*\\~\\$\\|"),
        ("温度 °C", "温度 °C"),
    ],
)
def test_markdown_escapes(cell, shown):
    assert to_markdown(Table("", ("a",), ((cell,),))).splitlines()[2] == f"| {shown} |"


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("a_b & 5 % #1 $x {y}", r"a\_b \& 5 \% \#1 \$x \{y\}"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("~^<>|", r"\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}"),
        ("1 ± 2", r"1 \ensuremath{\pm} 2"),
        ("[0.1]", "{}[0.1]"),
        ("* all", "{}* all"),
        ("温度 °C", "温度 °C"),
        ("a\nb", r"a\textbackslash{}nb"),
    ],
)
def test_latex_escapes(cell, shown):
    lines = to_latex(Table("", ("a",), ((cell,),))).splitlines()
    assert lines[lines.index(r"\midrule") + 1] == rf"{shown} \\"


@given(st.text(max_size=30))
def test_latex_braces_close_whatever_the_cell(cell):
    text = to_latex(Table(cell, (cell,), ((cell,),), note=cell), highest=(0,))
    bare = re.sub(r"\\[{}]", "", text)
    depth = 0
    for c in bare:
        depth += {"{": 1, "}": -1}.get(c, 0)
        assert depth >= 0
    assert depth == 0


def test_a_long_note_is_not_cut():
    note = "word " * 100 + "end."
    table = Table("", ("a",), (), note=note)
    assert "end." in to_markdown(table)
    assert "end." in to_latex(table)


def test_negative_numbers_and_signs_are_read():
    table = Table("", ("n",), (("-0.5",), ("+0.2 [x]",), ("1e-3",), ("none",)))
    assert "| **+0.2 [x]** |" in to_markdown(table, highest=(0,))
    assert "| **-0.5** |" in to_markdown(table, lowest=(0,))


def test_a_column_without_numbers_has_no_best():
    assert "**" not in to_markdown(Table("", ("n",), (("-",), ("x",))), highest=(0,))


@pytest.mark.parametrize("write", [to_markdown, to_latex])
def test_a_column_that_is_not_there_is_refused(write):
    with pytest.raises(TocsinError, match="4 columns, so none at place 4"):
        write(BOARD, highest=(4,))
