"""A plan as one page that needs nothing else: the text of the terminal, escaped, with its colours.

No script, no link to another server, no foreign text outside the one ``<pre>`` and the title.
"""

from __future__ import annotations

import re
from datetime import datetime
from html import escape

from krakenstate.model.plan import Plan
from krakenstate.views.mask import masked
from krakenstate.views.plan_text import render_plan
from krakenstate.views.style import plain

_WIDTH = 110
_PAINTED = re.compile(r"\x1b\[([0-9]+)m")
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 2rem; }}
pre {{ font: 0.9rem/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }}
.c1 {{ font-weight: bold; }}
.c31 {{ color: #c62828; }}
.c32 {{ color: #2e7d32; }}
.c33 {{ color: #b26a00; }}
.c35 {{ color: #8e24aa; }}
.c36 {{ color: #00838f; }}
</style>
</head>
<body>
<pre>
{text}
</pre>
</body>
</html>"""


def render_plan_html(plan: Plan, *, now: datetime, explain: bool = False) -> str:
    """A plan as a self-contained page; e-mails and IIBANs in it are masked.

    Args:
        plan: What to show.
        now: The instant from which ages count.
        explain: Whether each step is told in plain language too.
    """
    told = render_plan(masked(plan), colour=True, width=_WIDTH, now=now, hints=False, explain=explain)
    painted = _PAINTED.sub(_span, escape(told))
    return _PAGE.format(title=escape(f"krakenstate plan: {plain(plan.stack)}"), text=painted)


def _span(colour: re.Match[str]) -> str:
    return "</span>" if colour[1] == "0" else f'<span class="c{colour[1]}">'
