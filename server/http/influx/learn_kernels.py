"""Kernels that remember lines: which have the same form, and what they begin with.

Called by known.py with lines that line_kernels.py has read without an error.
"""

from __future__ import annotations

from engine.jit import Bytes, Int32s, Int64s, UInt64s, part
from engine.words import hash_bytes
from server.encode.kernel import (
    INT,
    READ_BYTES,
    READ_UINT64,
    WRITE_BYTES,
    WRITE_INT32,
    WRITE_INT64,
    kernel,
)
from server.http.influx.known_kernels import (
    HEAD,
    NEXT,
    NO,
    SHAPE,
    SIZE,
    START,
    VALUES,
    find_head,
)
from server.http.influx.line_kernels import LINE, MEASURE, PAIR, READ_INT32S
from server.http.influx.line_values import BACKSLASH, COMMA, EQUALS, KIND, SPACE, TAG

# Places in `sizes`.
HEADS, ARENA, SPANS, SIZES = 0, 1, 2, 3


@kernel(INT(READ_INT32S, READ_INT32S, READ_BYTES, WRITE_INT32, WRITE_INT32, WRITE_INT32))
def forms_of(
    lines: Int32s, pairs: Int32s, kinds: Bytes, first: Int32s, form: Int32s, examples: Int32s
) -> int:
    """Which lines have the same measurement and the same columns in the same order.

    Args:
        lines, pairs, kinds: as `line_kernels.scan` leaves them.
        first: gets of each line the number of its first value; one more than lines.
        form: gets of each line the number of its form.
        examples: gets of each form a line that has it; lines of further forms have form -1.

    Returns: how many forms there are.
    """
    count = 0
    pair = 0
    total = kinds.size
    for line in range(form.size):
        first[line] = pair
        while pair < total and pairs[PAIR * pair + 1] == line:
            pair += 1
        first[line + 1] = pair
        form[line] = -1
        for known in range(count):
            other = int(examples[known])
            size = pair - first[line]
            if lines[LINE * line + 1] != lines[LINE * other + 1]:
                continue
            if first[other + 1] - first[other] != size:
                continue
            same = True
            for k in range(size):
                mine, its = first[line] + k, first[other] + k
                if pairs[PAIR * mine] != pairs[PAIR * its] or (kinds[mine] ^ kinds[its]) & KIND:
                    same = False
                    break
            if same:
                form[line] = known
                break
        if form[line] < 0 and count < examples.size:
            examples[count] = line
            form[line] = count
            count += 1
    return count


@part
def _plain_into(data: Bytes, at: int, end: int, arena: Bytes, place: int) -> int:
    """Copies a tag's value without its escapes; the place after it."""
    while at < end:
        byte = data[at]
        if byte == BACKSLASH and at + 1 < end and data[at + 1] in (COMMA, SPACE, EQUALS):
            at += 1
            byte = data[at]
        arena[place] = byte
        place += 1
        at += 1
    return place


@kernel(
    INT(
        READ_BYTES, READ_INT32S, READ_INT32S, READ_INT32S, READ_INT32S, READ_BYTES, READ_INT32S,
        READ_INT32S, READ_UINT64, WRITE_BYTES, WRITE_INT32, WRITE_INT32, READ_INT32S, WRITE_INT64,
    )
)  # fmt: skip
def learn_heads(
    data: Bytes,
    lines: Int32s,
    measures: Int32s,
    first: Int32s,
    pairs: Int32s,
    kinds: Bytes,
    form: Int32s,
    shape_of: Int32s,
    seed: UInt64s,
    arena: Bytes,
    heads: Int32s,
    spans: Int32s,
    slots: Int32s,
    sizes: Int64s,
) -> int:
    """Adds the heads of lines that are not there; `publish` makes them be found.

    Args:
        shape_of: of each form its shape.
        sizes: how many heads, bytes of the arena and spans are in use; they grow.

    Returns: 0, or NO if there is no room for more. A head that two lines have is added twice, and
    one of them is never found.
    """
    for line in range(form.size):
        if form[line] < 0:
            continue
        start = int(lines[LINE * line])
        measure = int(lines[LINE * line + 1])
        stop = start + measures[MEASURE * measure + 1] - measures[MEASURE * measure]
        pair = int(first[line])
        tags = 0
        while pair + tags < first[line + 1] and kinds[pair + tags] & KIND == TAG:
            stop = int(pairs[PAIR * (pair + tags) + 3])
            tags += 1
        size = stop - start
        if find_head(data, start, size, seed, arena, heads, slots) >= 0:
            continue
        head = int(sizes[HEADS])
        at = int(sizes[ARENA])
        span = int(sizes[SPANS])
        if HEAD * (head + 1) > heads.size or at + 2 * size > arena.size:
            return NO
        if 2 * (span + tags) > spans.size:
            return NO
        base = HEAD * head
        heads[base + START] = at
        heads[base + SIZE] = size
        heads[base + SHAPE] = shape_of[form[line]]
        heads[base + VALUES] = span
        heads[base + NEXT] = NO
        for k in range(start, stop):
            arena[at] = data[k]
            at += 1
        for tag in range(tags):
            spans[2 * span] = at
            place = PAIR * (pair + tag)
            at = _plain_into(data, pairs[place + 2], pairs[place + 3], arena, at)
            spans[2 * span + 1] = at
            span += 1
        sizes[HEADS] = head + 1
        sizes[ARENA] = at
        sizes[SPANS] = span
    return 0


@kernel(INT(READ_BYTES, READ_INT32S, INT, INT, READ_UINT64, WRITE_INT32))
def publish(arena: Bytes, heads: Int32s, begin: int, end: int, seed: UInt64s, slots: Int32s) -> int:
    """Puts heads from number `begin` to `end` into the hash table. Requires: half of it is free."""
    mask = slots.size - 1
    for head in range(begin, end):
        start, size = heads[HEAD * head + START], heads[HEAD * head + SIZE]
        slot = hash_bytes(arena, start, size, seed) & mask
        while slots[slot] > 0:
            slot = (slot + 1) & mask
        slots[slot] = head + 1
    return 0
