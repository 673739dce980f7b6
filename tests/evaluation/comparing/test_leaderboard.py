import pytest
from oracles.comparison import backtest, slow_macro_mean

from tocsin.evaluation.comparing.bootstrap import Bootstrap
from tocsin.evaluation.comparing.comparison import CONTROLS
from tocsin.evaluation.comparing.leaderboard import by_dataset, leaderboard, versus
from tocsin.pipeline.errors import TocsinError

QUICK = Bootstrap(draws=200)


def column(table, head):
    place = table.head.index(head)
    return {row[0]: row[place] for row in table.rows}


def number(cell):
    return float(cell.split()[0])


def slow_macro(results, detector, metric="vus_pr"):
    rows = results[results["detector"] == detector]
    return slow_macro_mean(list(zip(rows["dataset"], rows[metric], strict=True)))


def test_the_leaderboard_is_sorted_by_its_first_metric():
    results = backtest()
    table = leaderboard(results, ["vus_pr", "pate"], "causal", QUICK)
    means = [slow_macro(results, row[0]) for row in table.rows]
    assert means == sorted(means, reverse=True)


def test_every_number_of_the_leaderboard_is_the_slow_one():
    results = backtest()
    table = leaderboard(results, ["vus_pr", "pate"], "causal", QUICK)
    for metric in ("vus_pr", "pate"):
        for name, cell in column(table, metric).items():
            assert number(cell) == pytest.approx(slow_macro(results, name, metric), abs=5e-4)
    plain = results.groupby("detector")["vus_pr"].mean()
    for name, cell in column(table, "vus_pr, mean over series").items():
        assert float(cell) == pytest.approx(plain[name], abs=5e-4)


def test_every_table_says_its_mode_and_uses_no_row_of_the_other():
    results = backtest(modes=("causal", "offline"))
    offline = results[results["mode"] == "offline"]
    for make in (
        lambda frame: leaderboard(frame, ["vus_pr"], "offline", QUICK),
        lambda frame: by_dataset(frame, "vus_pr", "offline"),
        lambda frame: versus(frame, "vus_pr", "offline", "random", QUICK),
    ):
        assert make(results) == make(offline)
        assert "offline" in make(results).title


def test_every_table_holds_the_controls_or_is_not_made():
    results = backtest()
    without = results[results["detector"] != "knn_train"]
    for make in (
        lambda frame: leaderboard(frame, ["vus_pr"], "causal", QUICK),
        lambda frame: by_dataset(frame, "vus_pr", "causal"),
        lambda frame: versus(frame, "vus_pr", "causal", "forest", QUICK),
    ):
        assert set(CONTROLS) <= {row[0] for row in make(results).rows}
        with pytest.raises(TocsinError, match="no causal results of knn_train"):
            make(without)


def test_failed_jobs_and_series_left_out_are_told():
    results = backtest()
    bad = (results["detector"] == "forest") & (results["series"].isin(["NAB-0", "SKAB-2"]))
    results.loc[bad, "error"] = "killed"
    table = leaderboard(results, ["vus_pr"], "causal", QUICK)
    failed = column(table, "failed jobs")
    assert failed["forest"] == "2"
    assert failed["random"] == "0"
    assert "6 of 8 series compared, 2 left out" in table.note
    assert "(NAB 1, SKAB 1; most often forest, 2)" in table.note
    kept = results[~results["series"].isin(["NAB-0", "SKAB-2"])]
    cells = column(table, "vus_pr")
    assert number(cells["random"]) == pytest.approx(slow_macro(kept, "random"), abs=5e-4)


def test_a_detector_that_always_failed_stands_last_with_dashes():
    results = backtest()
    results.loc[results["detector"] == "patches", "error"] = "killed"
    board = leaderboard(results, ["vus_pr"], "causal", QUICK)
    assert board.rows[-1] == ("patches", "-", "-", "prefix", "8")
    assert by_dataset(results, "vus_pr", "causal").rows[-1] == ("patches", "-", "-", "-")
    assert "without any value: patches" in board.note


def test_a_metric_without_values_is_a_column_of_dashes():
    results = backtest().assign(care=float("nan"))
    table = leaderboard(results, ["vus_pr", "care"], "causal", QUICK)
    assert set(column(table, "care").values()) == {"-"}
    assert "care: 0 of 8 series compared" in table.note


def test_oracle_columns_have_a_dagger_and_a_note():
    results = backtest().assign(best_f1=0.5)
    board = leaderboard(results, ["vus_pr", "best_f1"], "causal", QUICK)
    assert board.head[1:3] == ("vus_pr", "best_f1†")
    assert "† oracle" in board.note
    assert "† oracle" in by_dataset(results, "best_f1", "causal").note
    assert "†" not in leaderboard(results, ["vus_pr"], "causal", QUICK).note


def test_all_ways_of_fitting_are_told():
    results = backtest()
    results.loc[(results["detector"] == "forest") & (results["dataset"] == "NAB"), "fitted"] = "own"
    fitted = column(leaderboard(results, ["vus_pr"], "causal", QUICK), "fitted")
    assert (fitted["forest"], fitted["random"]) == ("own, prefix", "prefix")


def test_by_data_set_shows_each_mean_and_the_macro_mean_last():
    results = backtest()
    table = by_dataset(results, "vus_pr", "causal")
    assert table.head == ("detector", "NAB (5)", "SKAB (3)", "macro mean")
    means = results.groupby(["detector", "dataset"])["vus_pr"].mean()
    for name, nab, skab, macro in table.rows:
        assert float(nab) == pytest.approx(means[name, "NAB"], abs=5e-4)
        assert float(skab) == pytest.approx(means[name, "SKAB"], abs=5e-4)
        assert float(macro) == pytest.approx(slow_macro(results, name), abs=5e-4)


def test_versus_counts_every_series_once():
    table = versus(backtest(), "vus_pr", "causal", "random", QUICK)
    assert "random" not in {row[0] for row in table.rows}
    for cell in column(table, "wins / ties / losses").values():
        assert sum(map(int, cell.split(" / "))) == 8


def test_detectors_that_are_equal_stand_in_the_order_of_their_names():
    results = backtest().assign(vus_pr=0.5)
    names = sorted({*CONTROLS, "forest", "patches"})
    assert [row[0] for row in leaderboard(results, ["vus_pr"], "causal", QUICK).rows] == names
    names.remove("random")
    assert [row[0] for row in versus(results, "vus_pr", "causal", "random", QUICK).rows] == names


def test_a_leaderboard_of_nothing_is_refused():
    with pytest.raises(TocsinError, match="at least one metric"):
        leaderboard(backtest(), [], "causal")


def test_one_series_in_all_is_a_table_too():
    results = backtest(datasets={"TSB": 1})
    cell = column(leaderboard(results, ["vus_pr"], "causal", QUICK), "vus_pr")["random"]
    value = results.loc[results["detector"] == "random", "vus_pr"].iloc[0]
    assert cell == f"{value:.3f} [{value:.3f}, {value:.3f}]"
