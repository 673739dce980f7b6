"""What all our HTML pages share: one file, no network, nothing from outside taken for markup."""

import html
import json
from collections.abc import Mapping
from typing import Any

from plotly.offline import get_plotlyjs
from plotly.utils import PlotlyJSONEncoder

from tocsin.evaluation.wording import plain

# The browser is told to fetch nothing and to run what stands in the file only.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"

THEME_BUTTON = '<button id="theme" type="button">Light / dark</button>'
NO_SCRIPT = "<noscript><p>The plots need JavaScript; the tables do not.</p></noscript>"


def document(title: str, body: str, data: Mapping[str, str], *, style: str, script: str) -> str:
    """A whole HTML document, plotly's script among it.

    `data` is JSON text by the id of the element that holds it, made by `embedded`; `body` is
    markup, in which the caller has escaped what comes from outside; `title` is plain text.
    """
    held = "\n".join(
        f'<script type="application/json" id="{name}">{text}</script>'
        for name, text in data.items()
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{safe(title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{body}
{held}
<script>{get_plotlyjs()}</script>
<script>{script}</script>
</body>
</html>
"""


def embedded(value: Any) -> str:
    r"""`value` as JSON that cannot end the element it stands in; NaN is null.

    >>> embedded({"name": "</script>", "score": float("nan")})
    '{"name":"\\u003c/script\\u003e","score":null}'
    """
    text = json.dumps(value, cls=PlotlyJSONEncoder, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def safe(text: str, most: int = 200) -> str:
    """`text` on one line, at most `most` characters, as HTML that holds no markup."""
    return html.escape(plain(text, most))
