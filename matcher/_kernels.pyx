# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# distutils: language = c++
"""Kernels: the innermost loops of a decision, compiled. Each does in one call what numpy does in ten.

Each has a twin in numpy, which explains it and runs where there is no compiler: `ProjectedVectors.cosines` and
`scaled`, `quantized_rows._coded`, `Lexicon._weighed`, `Scorer.score`, `Calibration.confidence`, and
`Tokenization._pack` for `packed`. tests/affinity/test_kernels.py and tests/encoder/test_tokenization.py compare them.
The twin of `above` is FAISS with `cosines`; it also runs where the processor lacks the instruction that `above` needs
(`SCANS` is False).
Results are written into arrays of the caller or of `numpy.empty`, so that numpy's headers are not needed.
Every pair and every agent is computed by itself, in one order: the same to the last bit whatever the other pairs are.
"""

import numpy

VERSION = 5  # increased with every change of a signature: `matcher.kernels` uses no other version

from libc.float cimport DBL_MIN
from libc.math cimport exp, expm1, log, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memcpy, memset
from libcpp.algorithm cimport sort
from libcpp.vector cimport vector

cdef extern from "_kernels.h":
    void dots(const uint16_t *, int64_t, const float *, const int64_t *, const int64_t *, int64_t, float *) nogil
    void widen_row(const uint16_t *, float, int64_t, float *) nogil
    cppclass Written:
        float largest
        float error
        float length
    Written code_row(const float *, float, int64_t, uint8_t *) nogil
    cppclass Triple:
        int64_t key
        int64_t place
    cppclass Rows:
        const uint8_t *codes
        const uint8_t *admitted
        const int64_t *lines
        int64_t count
        int64_t dimension
        float scale
        float length
        float error
    cppclass Met:
        vector[int64_t] unit
        vector[int64_t] row
        vector[float] cosine
    cppclass Kinds:
        const uint8_t *row
        const uint8_t *unit
        const float *alone
        const float *lift
        const float *bars
        float threshold
    void come_near(const Rows &, const Kinds &, const float *, int64_t, float, Met &) except + nogil
    void keep_met(const uint16_t *, int64_t, const float *, const Kinds &, const float *, float, Met &) except + nogil
    bint scans_here()

SCANS = scans_here()


def scaled(const uint16_t[:, ::1] vectors, const float[::1] shrink, const int64_t[::1] rows, float[:, ::1] result):
    """Write rows of halves as singles times their factor in `shrink` [rows], empty: none; return False at a NaN."""
    cdef int64_t at, row
    cdef float factor
    for at in range(rows.shape[0]):
        row = rows[at]
        factor = shrink[row] if shrink.shape[0] else 1.0
        if factor != factor:
            return False
        widen_row(&vectors[row, 0], factor, vectors.shape[1], &result[at, 0])
    return True


def coded(const float[:, ::1] rows, float scale, uint8_t[:, ::1] codes):
    """Write the codes; return the largest component, and the squared lengths of the longest error and row."""
    cdef int64_t at
    cdef Written one, most
    most.largest = most.error = most.length = 0.0
    for at in range(rows.shape[0]):
        one = code_row(&rows[at, 0], scale, rows.shape[1], &codes[at, 0])
        most.largest = max(most.largest, one.largest)
        most.error = max(most.error, one.error)
        most.length = max(most.length, one.length)
    return most.largest, most.error, most.length


def packed(
    const uint16_t[:, ::1] table,
    const int64_t[::1] ids,
    const int64_t[::1] lengths,
    int64_t pad,
    int64_t first_position,
    bint first,
    bint last,
    float[:, ::1] embedded,
    int64_t[::1] segments,
    int64_t[::1] positions,
    float[:, ::1] weights,
):
    """Write the input of one row of texts, one behind the other; `first`, `last`: that token alone makes the vector.

    Raises ValueError where the texts do not fit, or the table lacks a token.
    """
    cdef int64_t text, at, begin = 0, end, row = segments.shape[0], known = table.shape[0]
    cdef int64_t dimension = table.shape[1]
    if embedded.shape[0] != row or positions.shape[0] != row or embedded.shape[1] != dimension:
        raise ValueError("the arrays are of different rows")
    if weights.shape[0] < lengths.shape[0] or weights.shape[1] != row or ids.shape[0] > row or not 0 <= pad < known:
        raise ValueError("the texts do not fit")
    memset(&weights[0, 0], 0, weights.shape[0] * row * sizeof(float))
    for text in range(lengths.shape[0]):
        end = begin + lengths[text]
        if end > ids.shape[0] or end <= begin:
            raise ValueError("the lengths are not those of the texts")
        for at in range(begin, end):
            if not 0 <= ids[at] < known:
                raise ValueError("a token that the model does not know")
            widen_row(&table[ids[at], 0], 1.0, dimension, &embedded[at, 0])
            segments[at] = text + 1
            positions[at] = first_position + at - begin
            weights[text, at] = 0.0 if first or last else 1.0 / (end - begin)
        if first or last:
            weights[text, begin if first else end - 1] = 1.0
        begin = end
    for at in range(begin, row):
        if at == begin:
            widen_row(&table[pad, 0], 1.0, dimension, &embedded[at, 0])
        else:
            memcpy(&embedded[at, 0], &embedded[begin, 0], dimension * sizeof(float))
        segments[at] = 0
        positions[at] = first_position


# Pairs, about half a millisecond of work, above which other threads may run meanwhile; for fewer, switching costs more.
cdef int64_t MANY = 4096


def cosines(
    const uint16_t[:, ::1] vectors,
    const float[::1] shrink,
    const float[:, ::1] toward,
    const int64_t[::1] unit,
    const int64_t[::1] rows,
    float[::1] result,
):
    """Write the cosine of each pair; `vectors` are halves, `shrink` [rows] or empty."""
    cdef int64_t pair, pairs = rows.shape[0]
    if toward.shape[1] != vectors.shape[1]:
        raise ValueError("the units are of another dimension than the rows")
    if not pairs:
        return
    if pairs > MANY:
        with nogil:
            dots(&vectors[0, 0], vectors.shape[1], &toward[0, 0], &unit[0], &rows[0], pairs, &result[0])
    else:
        dots(&vectors[0, 0], vectors.shape[1], &toward[0, 0], &unit[0], &rows[0], pairs, &result[0])
    if shrink.shape[0]:
        for pair in range(pairs):
            result[pair] *= shrink[rows[pair]]


# Pairs of a row and a unit, about half a millisecond of work.
cdef int64_t MANY_CODES = 131072


def above(
    const uint8_t[:, ::1] codes,
    tuple bounds,
    const uint8_t[::1] admitted,
    const int64_t[::1] lines,
    const uint16_t[:, ::1] vectors,
    const float[::1] shrink,
    const float[:, ::1] toward,
    float threshold,
    tuple by_kind,
):
    """Return the units, the rows of `vectors` and the cosines [pairs] that exceed the threshold; needs `SCANS`.

    codes: [rows, dimension], of the rows to compare; bounds: their scale, the longest of them, and the longest rounding
    error; admitted: [rows], empty for all; lines: [rows], the row of each in `vectors`; else as in `cosines`. by_kind:
    None for vectors of one model; of a pair, by row of `vectors` whether it is English and the factor of its second half
    alone, by unit the same and the bars of `UnitKinds`, and the threshold of pairs that are not both English.
    """
    cdef Rows rows
    cdef Met met
    cdef int64_t units = toward.shape[0], found
    cdef const float *factor
    cdef Kinds kinds
    cdef const uint8_t[::1] english_rows, english_units
    cdef const float[::1] alone, lift
    cdef const float[:, ::1] bars
    kinds.row = NULL
    if by_kind is not None and codes.shape[0] and units:
        english_rows, alone, english_units, lift, bars, kinds.threshold = by_kind
        if min(english_units.shape[0], lift.shape[0], bars.shape[0]) < units or bars.shape[1] != 2:
            raise ValueError("the kinds are of other units")
        if min(english_rows.shape[0], alone.shape[0]) < vectors.shape[0] or not shrink.shape[0]:
            raise ValueError("the kinds are of other rows")
        kinds.row, kinds.alone = &english_rows[0], &alone[0]
        kinds.unit, kinds.lift, kinds.bars = &english_units[0], &lift[0], &bars[0, 0]
    rows.scale, rows.length, rows.error = bounds
    rows.count, rows.dimension = codes.shape[0], codes.shape[1]
    if toward.shape[1] != rows.dimension or vectors.shape[1] != rows.dimension:
        raise ValueError("the units are of another dimension than the rows")
    if lines.shape[0] < rows.count or (admitted.shape[0] and admitted.shape[0] != rows.count):
        raise ValueError("more rows are coded than are described")
    if rows.count and units:
        rows.codes, rows.lines = &codes[0, 0], &lines[0]
        rows.admitted = &admitted[0] if admitted.shape[0] else NULL
        if rows.count * units > MANY_CODES:
            with nogil:
                come_near(rows, kinds, &toward[0, 0], units, threshold, met)
        else:
            come_near(rows, kinds, &toward[0, 0], units, threshold, met)
        factor = &shrink[0] if shrink.shape[0] else NULL
        if met.unit.size() > <size_t>MANY:
            with nogil:
                keep_met(&vectors[0, 0], rows.dimension, factor, kinds, &toward[0, 0], threshold, met)
        else:
            keep_met(&vectors[0, 0], rows.dimension, factor, kinds, &toward[0, 0], threshold, met)
    found = met.unit.size()
    cdef int64_t[::1] unit = numpy.empty(found, numpy.int64), row = numpy.empty(found, numpy.int64)
    cdef float[::1] cosine = numpy.empty(found, numpy.float32)
    if found:
        memcpy(&unit[0], met.unit.data(), found * sizeof(int64_t))
        memcpy(&row[0], met.row.data(), found * sizeof(int64_t))
        memcpy(&cosine[0], met.cosine.data(), found * sizeof(float))
    return unit.base, row.base, cosine.base


def shared(
    const int32_t[:, ::1] lines,
    const int32_t[::1] local,
    const float[:, ::1] table,
    const int64_t[::1] unit,
    const int64_t[::1] handle,
    float most,
    float[::1] result,
):
    """Write the weight of the stems that each unit and interest share.

    lines: [handles, 16], the stems' ids of each interest; local: [ids], a stem's column in the table, 0 for none.
    """
    cdef int64_t pair
    cdef int32_t place, column
    cdef double total
    for pair in range(handle.shape[0]):
        total = 0.0
        for place in range(lines.shape[1]):
            column = local[lines[handle[pair], place]]
            if column:
                total += table[unit[pair], column]
        result[pair] = <float>total if total < most else most


def score(
    const int64_t[::1] unit,
    const int64_t[::1] agent,
    const int64_t[::1] interest,
    const float[::1] cosine,
    const float[::1] lexical,
    const int64_t[::1] held,
    const float[::1] weight,
    tuple settings,
    int64_t[::1] met,
    double[:, ::1] said,
    int64_t[::1] first,
    int64_t[::1] reason,
    double[::1] strengths,
):
    """Write the arrays of `Scores`; return the number of agents and of reasons.

    weight: [triples], of each triple's unit; empty: each is 1. settings: threshold, lexical weight, from and full,
    corroboration, ample, handicap, saturation; said: three rows, scores, affinities and breadths.
    """
    cdef double threshold, lexical_weight, lexical_from, lexical_full, corroboration, ample, handicap, saturation
    threshold, lexical_weight, lexical_from, lexical_full, corroboration, ample, handicap, saturation = settings
    cdef float least = <float>threshold
    cdef int64_t at, place, agents = 0, reasons = 0, wide = 1, deep = 1, triples = cosine.shape[0]
    cdef int64_t pair = -1, who, best_place = 0
    cdef double strength, gate, best = 0.0, counted = 0.0, together = 0.0, foremost, lowered = 0.0, plenty = 1.0
    cdef double total = 0.0, most = 0.0, all_together = 0.0, share = 1.0
    cdef bint weighted = weight.shape[0] > 0
    cdef vector[Triple] order
    cdef Triple one
    for at in range(triples):
        wide = max(wide, unit[at] + 1)
        deep = max(deep, interest[at] + 1)
    order.reserve(triples)
    for at in range(triples):
        if cosine[at] > least and not (weighted and weight[at] <= 0):
            one.key = (agent[at] * wide + unit[at]) * deep + interest[at]
            one.place = at
            order.push_back(one)
    sort(order.begin(), order.end())
    triples = order.size()
    for at in range(triples + 1):
        who = order[at].key // deep if at < triples else -1
        if who != pair and pair >= 0:
            foremost = max(best - lowered, 0.0)
            together = counted / plenty
            if weighted:
                share = weight[best_place]
                best, foremost, together = best * share, foremost * share, together * share
            total += (1.0 - corroboration) * foremost + corroboration * together
            most += foremost
            all_together += together
            reason[reasons] = best_place
            strengths[reasons] = best
            reasons += 1
            if at == triples or who // wide != pair // wide:
                met[agents] = pair // wide
                said[0, agents] = total
                said[1, agents] = -expm1(-saturation * total)
                said[2, agents] = all_together / max(most, DBL_MIN)
                agents += 1
                first[agents] = reasons
                total = most = all_together = 0.0
        if at == triples:
            break
        place = order[at].place
        strength = <double>cosine[place] - threshold
        if lexical[place]:
            gate = (strength - lexical_from) / (lexical_full - lexical_from)
            strength += lexical_weight * lexical[place] * min(max(gate, 0.0), 1.0)
        if who != pair:
            pair, best, best_place, counted = who, strength, place, 0.0
            plenty = max(<double>held[place], ample)
            lowered = handicap * log(plenty / ample) if plenty > ample else 0.0
        elif strength > best:
            best, best_place = strength, place
        counted += max(strength - lowered, 0.0)
    return agents, reasons


def confidence(
    const double[::1] scores,
    const double[::1] breadth,
    const int64_t[::1] places,
    int64_t free,
    int64_t roster,
    double sharpness,
    const double[::1] weights,
    double[::1] best,
    double[::1] result,
):
    """Write the confidence of the agents at these places; `best`: zeros, overwritten with the highest scores."""
    cdef int64_t at, own, number, near = best.shape[0] - 1
    cdef double mine, crowd, everybody = 0.0, logit, size = log(max(free, 1))
    cdef double root[3]
    for at in range(scores.shape[0]):
        mine = scores[at]
        if mine > best[near]:
            number = near
            while number > 0 and best[number - 1] < mine:
                best[number] = best[number - 1]
                number -= 1
            best[number] = mine
    for number in range(near + 1):
        everybody += exp(sharpness * (best[number] - best[0]))
    for at in range(places.shape[0]):
        mine, own = scores[places[at]], 0
        while own < near and best[own] > mine:
            own += 1
        crowd = (everybody - exp(sharpness * (best[own] - best[0]))) * exp(sharpness * (best[0] - mine))
        root[0], root[1], root[2] = mine, mine - best[own <= 0], mine - best[3 + (own <= 3)]
        logit = weights[0]
        for number in range(3):
            root[number] = sqrt(max(root[number], 0.0))
            logit += root[number] * (weights[1 + number] + weights[6 + number] * breadth[places[at]])
        logit += weights[4] * -log(crowd + 0.001) + weights[5] * breadth[places[at]]
        logit += weights[9] * size + weights[10] * (size - log(max(roster, max(free, 1))))
        result[at] = 1.0 / (1.0 + exp(-logit))
