"""The tables: of one run, and of docs/CLIENTS.md, which must say what the manifests pin."""

from .install import REPOSITORY

PAGE = REPOSITORY / "docs" / "CLIENTS.md"
BEGIN = "<!-- made by `tests/interop/run --write-docs`; do not edit by hand -->"
END = "<!-- the end of what is made -->"


def results(results):
    """Lines of a table of what came of all trials."""
    rows = [("client", "version", "protocol", "passed", "failed")]
    for result in results:
        problems = str(len(result.problems))
        rows.append((result.client.name, result.version or "?", f"RESP{result.protocol}", str(len(result.passed)), problems))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def made(book):
    """The table of the page."""
    lines = ["| client | version | protocols | tried |", "|---|---|---|---|"]
    for client in book:
        protocols = ", ".join(f"RESP{protocol}" for protocol in client.protocols)
        lines.append(f"| {client.name} | {client.version} | {protocols} | {_tried(client)} |")
    return "\n".join(lines)


def _tried(client):
    if client.is_partial:
        return ", ".join(client.checks)
    tried = "everything"
    if client.without:
        tried += " but " + ", ".join(client.without)
    if client.more:
        tried += "; also " + ", ".join(client.more)
    return tried


def check(book):
    """Fails unless the page says what is pinned."""
    if made(book) != _parts()[1].strip():
        raise SystemExit(f"{PAGE} is not what is pinned and tried: run tests/interop/run --write-docs")


def write(book):
    before, _, after = _parts()
    PAGE.write_text(f"{before}{BEGIN}\n\n{made(book)}\n\n{END}{after}")


def _parts():
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    inner, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} has no place for the table: {BEGIN} ... {END}")
    return before, inner, after
