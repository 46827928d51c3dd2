"""docs/configuration.md, made from the options by `python -m server.config_document`.

Called by whoever adds an option; a test compares. It reads no configuration.
"""

from __future__ import annotations

import sys
from operator import attrgetter

from server.config import OPTIONS, load

_HEAD = """\
# Configuration

Every setting can be given in three ways; the first of these that names it decides:

1. a flag of `gnomon serve`: `--http 127.0.0.1:4000`
2. an environment variable: `GNOMON_HTTP=127.0.0.1:4000`
3. a TOML file, named by `--config FILE` or `GNOMON_CONFIG`

Secrets have no flag, since every user of a machine sees its command lines. An unknown section or
key of the file, an unknown flag and a value that cannot be read are refused; an unknown variable
that begins with `GNOMON_` is told and ignored, since orchestrators set such names themselves.
`gnomon config` takes the same flags and prints what is in force as such a file, each value with
where it comes from, secrets hidden; `GET /config` tells the same of a running server, to users who
log in.

Sizes are written `64MiB` or `1GB`, a memory limit also `50%`; durations `500ms`, `30s`, `5m`,
`1h`. Addresses are `host:port`, `[::1]:port`, or `off`. An empty text stands for "not set".

This page is made by `python -m server.config_document`; a test holds that it is up to date."""


def document() -> str:
    """The page."""
    settings = load({}, {}).settings
    lines = [_HEAD]
    section = ""
    for option in OPTIONS:
        if option.section != section:
            section = option.section
            lines += ["", f"## [{section}]", "", "| key | flag | variable | default | |"]
            lines.append("|---|---|---|---|---|")
        default = option.kind.show(attrgetter(option.field)(settings))
        flag = "" if option.kind.is_secret else f"`{option.flag}`"
        cells = [f"`{option.key}`", flag, f"`{option.variable}`", f"`{default}`", option.help]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
