# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# distutils: language = c++
"""The innermost loops of a decision, compiled: what numpy does in ten calls each, in one.

Each has a twin in numpy, which says what it does and is used where no compiler was at hand: in `MappedLines.cosines` and
`scaled`, `scan._coded`, `Lexicon._weighed`, `Scorer.score`, `Calibration.confidence`, and `encoder/reading.py` for
`packed`. tests/affinity/test_kernels.py and tests/encoder/test_reading.py hold them to each other.
Results are written into arrays that the caller made, so that numpy's headers are not needed. Every pair and every
agent is reckoned by itself, in one order: the same to the last bit whatever else is asked with it.
"""

VERSION = 2  # grows with every signature that changes: `matcher.kernels` uses no other

from libc.float cimport DBL_MIN
from libc.math cimport exp, expm1, log, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memcpy, memset
from libcpp.algorithm cimport sort
from libcpp.vector cimport vector

cdef extern from *:
    """
    #include <cstdint>
    #include <cstring>

    #if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
    #define FOR_EACH_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
    #else
    #define FOR_EACH_CPU
    #endif

    enum { LANES = 32, AHEAD = 4 };

    // A half widened without the processor's own instruction, which not every one has: sign, exponent and fraction are
    // moved, and the difference between the two biases (127 - 15) is made good by a power of two, exactly.
    static inline float widened(uint16_t half) {
        uint32_t bits = (uint32_t)((int32_t)(int16_t)half << 13) & 0x8fffe000u;
        float value;
        std::memcpy(&value, &bits, sizeof value);
        return value * 0x1p112f;
    }

    FOR_EACH_CPU
    static void dots(const uint16_t *vectors, int64_t dimension, const float *toward, const int64_t *unit,
                     const int64_t *rows, int64_t pairs, float *result) {
        for (int64_t pair = 0; pair < pairs; pair++) {
            const uint16_t *row = vectors + rows[pair] * dimension;
            if (pair + AHEAD < pairs) {  // rows lie anywhere in far more than the caches hold
                const char *later = (const char *)(vectors + rows[pair + AHEAD] * dimension);
                for (int64_t byte = 0; byte < 2 * dimension; byte += 64)
                    __builtin_prefetch(later + byte);
            }
            const float *query = toward + unit[pair] * dimension;
            float lane[LANES] = {0};
            int64_t at = 0;
            for (; at + LANES <= dimension; at += LANES)
                for (int number = 0; number < LANES; number++)
                    lane[number] += widened(row[at + number]) * query[at + number];
            for (int number = 0; at < dimension; at++, number++)
                lane[number] += widened(row[at]) * query[at];
            for (int half = LANES / 2; half; half /= 2)
                for (int number = 0; number < half; number++)
                    lane[number] += lane[number + half];
            result[pair] = lane[0];
        }
    }

    FOR_EACH_CPU
    static void widen_row(const uint16_t *row, float factor, int64_t dimension, float *result) {
        for (int64_t at = 0; at < dimension; at++)
            result[at] = widened(row[at]) * factor;
    }

    // Rounds to the nearest whole number, ties to even, as rint does: beyond 2^23 a float holds whole numbers alone.
    #define TO_WHOLE 12582912.0f

    struct Written { float largest, error, length; };

    FOR_EACH_CPU
    static Written code_row(const float *row, float scale, int64_t dimension, uint8_t *codes) {
        float largest[LANES] = {0}, error[LANES] = {0}, length[LANES] = {0}, back = 1.0f / scale;
        for (int64_t at = 0; at < dimension; at += LANES) {
            int count = dimension - at < LANES ? (int)(dimension - at) : LANES;
            for (int lane = 0; lane < count; lane++) {
                float value = row[at + lane], rounded = (value * scale + TO_WHOLE) - TO_WHOLE;
                float off = value - rounded * back, size = value < 0 ? -value : value;
                codes[at + lane] = (uint8_t)((int)rounded + 128);
                largest[lane] = size > largest[lane] ? size : largest[lane];
                error[lane] += off * off;
                length[lane] += value * value;
            }
        }
        Written written = {0, 0, 0};
        for (int lane = 0; lane < LANES; lane++) {
            written.largest = largest[lane] > written.largest ? largest[lane] : written.largest;
            written.error += error[lane];
            written.length += length[lane];
        }
        return written;
    }

    struct Triple {
        int64_t key;
        int64_t place;
        bool operator<(const Triple &other) const { return key < other.key; }
    };
    """
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


def scaled(const uint16_t[:, ::1] vectors, const float[::1] shrink, const int64_t[::1] rows, float[:, ::1] result):
    """Write the rows, halves, as singles times what `shrink` [rows] says, or nothing says; False where that is NaN."""
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
    """Write the codes; return the largest component, and the square lengths of the longest error and row."""
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
    """Write the input of one row of texts, one behind the other; `first`, `last`: the token that makes the vector.

    Raises ValueError where the texts do not fit, or a token is none of the table.
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


# Pairs, about half a millisecond, from which other threads may go on meanwhile; to ask for each few would cost more.
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


def shared(
    const int32_t[:, ::1] lines,
    const int32_t[::1] local,
    const float[:, ::1] table,
    const int64_t[::1] unit,
    const int64_t[::1] handle,
    float most,
    float[::1] result,
):
    """Write the weight of the stems that each unit and line share; `local` [stems] is a stem's column, 0 for none."""
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
    tuple settings,
    int64_t[::1] met,
    double[:, ::1] said,
    int64_t[::1] first,
    int64_t[::1] reason,
    double[::1] strengths,
):
    """Write what `Scores` holds and return how many agents and how many reasons.

    settings: threshold, lexical weight, from and full, corroboration, ample, handicap, saturation; said: a row each of
    scores, affinities, breadths.
    """
    cdef double threshold, weight, lexical_from, lexical_full, corroboration, ample, handicap, saturation
    threshold, weight, lexical_from, lexical_full, corroboration, ample, handicap, saturation = settings
    cdef float least = <float>threshold
    cdef int64_t at, place, agents = 0, reasons = 0, wide = 1, deep = 1, triples = cosine.shape[0]
    cdef int64_t pair = -1, who, best_place = 0
    cdef double strength, gate, best = 0.0, counted = 0.0, together = 0.0, foremost, lowered = 0.0, plenty = 1.0
    cdef double total = 0.0, most = 0.0, all_together = 0.0
    cdef vector[Triple] order
    cdef Triple one
    for at in range(triples):
        wide = max(wide, unit[at] + 1)
        deep = max(deep, interest[at] + 1)
    order.reserve(triples)
    for at in range(triples):
        if cosine[at] > least:
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
            strength += weight * lexical[place] * min(max(gate, 0.0), 1.0)
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
    """Write the confidence of the agents at these places; `best` is room for the foremost scores, zeros."""
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
