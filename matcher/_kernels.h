// The innermost loops, which `_kernels.pyx` offers to Python.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#define FOR_EACH_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_CPU
#endif

enum { LANES = 32, AHEAD = 4 };

// Widens a half without the processor's instruction, which not every processor has: sign, exponent and fraction are
// shifted, and a power of two corrects the difference between the two biases (127 - 15), exactly.
static inline float widened(uint16_t half) {
    uint32_t bits = (uint32_t)(int32_t)(int16_t)half << 13 & 0x8fffe000u;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value * 0x1p112f;
}

FOR_EACH_CPU
static void dots(const uint16_t *vectors, int64_t dimension, const float *toward, const int64_t *unit,
                 const int64_t *rows, int64_t pairs, float *result) {
    for (int64_t pair = 0; pair < pairs; pair++) {
        const uint16_t *row = vectors + rows[pair] * dimension;
        if (pair + AHEAD < pairs) {  // rows are scattered over far more memory than the caches hold
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

// Adding and subtracting it rounds to the nearest whole number, ties to even, as rint does: a float above 2^23 has no
// fraction.
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

// Some processors multiply and add bytes in one instruction; without it FAISS's own scan is as quick.
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define MULTIPLIES_BYTES __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

static inline bool scans_here() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#else
static inline bool scans_here() { return false; }
#endif

// Rows a step; rows of 384 bytes that stay in the L1 cache while every unit is compared; how far ahead memory is fetched.
enum { TOGETHER = 4, BLOCK = 64, FURTHER = 16384 };

// Rows as `QuantizedRows` keeps them: codes (128 is 0), and the lengths of the longest row and rounding error.
struct Rows {
    const uint8_t *codes, *admitted;  // admitted: nullptr: all rows
    const int64_t *lines;             // the row of each in the vector table
    int64_t count, dimension;
    float scale, length, error;
};

// Kinds of the rows and units of a pair of models: 1 where the text is English. row: nullptr: vectors of one model.
struct Kinds {
    const uint8_t *row, *unit;
    const float *alone, *lift;  // the factors of the second halves, by row of the vector table and by unit
    const float *bars;          // by unit: what a product must exceed, for other rows and for English ones
    float threshold;            // of pairs that are not both English
};

struct Met {
    std::vector<int64_t> unit, row;
    std::vector<float> cosine;
};

#ifdef MULTIPLIES_BYTES
struct Near { int32_t unit, position; };

MULTIPLIES_BYTES
static void exceeding(const Rows &rows, int64_t begin, int64_t end, const int8_t *unit, const int32_t *limits,
                      const int32_t *english, int32_t number, std::vector<Near> &found) {
    const __m128i other = _mm_set1_epi32(limits[0]), both = _mm_set1_epi32(limits[1]);
    int64_t dimension = rows.dimension, whole = dimension & ~(int64_t)63;
    __mmask64 rest = ((__mmask64)1 << (dimension - whole)) - 1;
    for (int64_t at = begin; at < end; at += TOGETHER) {
        const uint8_t *row[TOGETHER];
        uint32_t wanted = 0;
        for (int64_t each = 0; each < TOGETHER; each++) {
            bool there = at + each < end;
            row[each] = rows.codes + (there ? at + each : at) * dimension;
            wanted |= (uint32_t)(there && (!rows.admitted || rows.admitted[at + each])) << each;
        }
        if (!wanted)
            continue;
        __m512i sum[TOGETHER] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                                 _mm512_setzero_si512()};
        if (!number) {  // the rows come from memory: in its order, while those 16 KB further on are fetched
            for (int64_t byte = 0; byte < TOGETHER * dimension; byte += 64)
                __builtin_prefetch(row[0] + FURTHER + byte, 0, 2);
            for (int each = 0; each < TOGETHER; each++)
                for (int64_t byte = 0; byte < whole; byte += 64)
                    sum[each] = _mm512_dpbusd_epi32(sum[each], _mm512_loadu_si512(row[each] + byte),
                                                    _mm512_loadu_si512(unit + byte));
        } else {  // the rows come from a cache: each part of the unit is read once for four of them
            for (int64_t byte = 0; byte < whole; byte += 64) {
                __m512i query = _mm512_loadu_si512(unit + byte);
                for (int each = 0; each < TOGETHER; each++)
                    sum[each] = _mm512_dpbusd_epi32(sum[each], _mm512_loadu_si512(row[each] + byte), query);
            }
        }
        if (rest) {
            __m512i query = _mm512_maskz_loadu_epi8(rest, unit + whole);
            for (int each = 0; each < TOGETHER; each++)
                sum[each] = _mm512_dpbusd_epi32(sum[each], _mm512_maskz_loadu_epi8(rest, row[each] + whole), query);
        }
        __m512i first = _mm512_add_epi32(_mm512_unpacklo_epi32(sum[0], sum[1]), _mm512_unpackhi_epi32(sum[0], sum[1]));
        __m512i last = _mm512_add_epi32(_mm512_unpacklo_epi32(sum[2], sum[3]), _mm512_unpackhi_epi32(sum[2], sum[3]));
        __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(first, last), _mm512_unpackhi_epi64(first, last));
        __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
        __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
        __m128i limit = both;
        if (english)
            limit = _mm_blendv_epi8(other, both, _mm_loadu_si128((const __m128i *)(english + at - begin)));
        wanted &= _mm_cmpgt_epi32_mask(sums, limit);
        for (; wanted; wanted &= wanted - 1)
            found.push_back({number, (int32_t)(at + __builtin_ctz(wanted))});
    }
}

// More than the rounding error of the bound's sums, which are in single floats, for vectors of length 1.
#define ROUNDING 1e-5f

// Collects the pairs that the codes do not rule out, by the bound of `QuantizedRows`: units ascending, then positions.
static void come_near(const Rows &rows, const Kinds &kinds, const float *toward, int64_t units, float threshold,
                      Met &met) {
    int64_t dimension = rows.dimension;
    std::vector<uint8_t> codes(units * dimension);
    std::vector<int32_t> limits(2 * units);  // of each unit, for other rows and for English ones
    std::vector<int64_t> place(units + 1);
    for (int64_t unit = 0; unit < units; unit++) {
        const float *vector = toward + unit * dimension;
        uint8_t *code = codes.data() + unit * dimension;
        float largest = 0;
        for (int64_t at = 0; at < dimension; at++)
            largest = std::fmax(largest, std::fabs(vector[at]));
        float scale = largest > 0 ? 127 / largest : 1;
        Written written = code_row(vector, scale, dimension, code);
        float error = std::sqrt(written.error), length = std::sqrt(written.length) + error;
        int32_t sum = 0;
        for (int64_t at = 0; at < dimension; at++) {
            code[at] ^= 128;
            sum += (int8_t)code[at];
        }
        double rounding = ROUNDING * std::fmax(1.0, (double)length * rows.length);
        double slack = (double)error * rows.length + (double)length * rows.error + rounding;
        for (int kind = 0; kind < 2; kind++) {
            double bar = kinds.row ? kinds.bars[2 * unit + kind] : threshold;
            double least = std::floor((bar - slack) * rows.scale * scale);
            limits[2 * unit + kind] = 128 * sum + (int32_t)std::fmin(std::fmax(least, -1e9), 1e9);
        }
    }
    std::vector<Near> near;
    int32_t english[BLOCK] = {0};  // all bits set where the row is English
    for (int64_t begin = 0; begin < rows.count; begin += BLOCK) {
        int64_t end = begin + BLOCK < rows.count ? begin + BLOCK : rows.count;
        for (int64_t at = begin; kinds.row && at < end; at++)
            english[at - begin] = -(int32_t)kinds.row[rows.lines[at]];
        for (int64_t unit = 0; unit < units; unit++)
            exceeding(rows, begin, end, (const int8_t *)codes.data() + unit * dimension, &limits[2 * unit],
                      kinds.row ? english : nullptr, unit, near);
    }
    for (const Near &one : near)
        place[one.unit + 1]++;
    for (int64_t unit = 0; unit < units; unit++)
        place[unit + 1] += place[unit];
    met.unit.resize(near.size());
    met.row.resize(near.size());
    for (const Near &one : near) {
        int64_t at = place[one.unit]++;
        met.unit[at] = one.unit;
        met.row[at] = rows.lines[one.position];
    }
}
#else
static void come_near(const Rows &, const Kinds &, const float *, int64_t, float, Met &) {}
#endif

// Keeps the pairs whose cosine exceeds the threshold of their kind.
static void keep_met(const uint16_t *vectors, int64_t dimension, const float *shrink, const Kinds &kinds,
                     const float *toward, float threshold, Met &met) {
    int64_t pairs = met.unit.size(), kept = 0;
    met.cosine.resize(pairs);
    dots(vectors, dimension, toward, met.unit.data(), met.row.data(), pairs, met.cosine.data());
    for (int64_t pair = 0; pair < pairs; pair++) {
        int64_t unit = met.unit[pair], row = met.row[pair];
        float factor = shrink ? shrink[row] : 1, least = threshold;
        if (kinds.row && !(kinds.row[row] & kinds.unit[unit])) {
            factor = kinds.lift[unit] * kinds.alone[row];
            least = kinds.threshold;
        }
        float cosine = met.cosine[pair] * factor;
        met.unit[kept] = unit;
        met.row[kept] = row;
        met.cosine[kept] = cosine;
        kept += cosine > least;
    }
    met.unit.resize(kept);
    met.row.resize(kept);
    met.cosine.resize(kept);
}
