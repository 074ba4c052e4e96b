/* The lane in C: what a connection that runs well does all day.

   rudp/core/life/lane.py says what is done here and why, and is the specification: whatever this
   module does, that one does too, with the same numbers to the last bit.  Both are held against the
   RFC's code by the same tests.  What is rare is asked of the same Python objects as there.

   The octets that were written are kept here while the lane is on; see Chunk in _lane.h. */

#include "_lane.h"

#define OFF Py_HUGE_VAL
#define SEQ_MASK 0xFFFFFFFFLL
#define SEQ_HALF 0x80000000LL
#define FLAG_PSH 0x08
#define FLAG_ACK 0x10
#define TIMESTAMPS_ALONE 0x0101080A
#define READABLE 2
#define WRITABLE 4
#define RECORD 23         /* octets of an event of the flight recorder */
#define RECORD_SENT 1
#define RECORD_RECEIVED 2
#define RUN_OCTETS_MAX 65507
#define TRAIN_RUNS 4
#define PROBE_BACKING 3
#define SMALL 4096        /* as in core/send/sendbuffer.py */
#define BLOCK_MAX (16 * SMALL)
#define BLOCK_MIN 512
#define IDLE 1.0
#define QUICK_ACKS 16
#define RMSS_INITIAL 536
#define PIECES_MIN 64
#define PIECE_OCTETS 512
#define MIN_RTT_SPACING (300.0 / 64)
#define MIN_RTT_WINDOW 300.0
#define MAX_ACK_DELAY 0.05
#define PERIOD 5.0
#define TICK 0.001
#define START (16 * 1024)
#define LEAST (16 * 1024)
#define TALK (4 * 1024)
#define READ_GAP 0.0025
#define REST 0.1
#define QUEUE (256 * 1024)

/* Those of them that Python's code knows too; that they are the same is looked at once. */
static const struct {
    const char *module, *name;
    double value;
} SHARED[] = {
    {"rudp.core.life.tcb", "READABLE", READABLE},
    {"rudp.core.life.tcb", "WRITABLE", WRITABLE},
    {"rudp.core.watch.recorder", "SIZE", RECORD},
    {"rudp.core.watch.recorder", "SENT", RECORD_SENT},
    {"rudp.core.watch.recorder", "RECEIVED", RECORD_RECEIVED},
    {"rudp.core.segment.transmit", "RUN_OCTETS_MAX", RUN_OCTETS_MAX},
    {"rudp.core.segment.options", "TIMESTAMPS_ALONE", TIMESTAMPS_ALONE},
    {"rudp.core.send.train", "TRAIN_RUNS", TRAIN_RUNS},
    {"rudp.core.send.sender", "PROBE_BACKING", PROBE_BACKING},
    {"rudp.core.send.sendbuffer", "SMALL", SMALL},
    {"rudp.core.receive.receiver", "IDLE", IDLE},
    {"rudp.core.receive.receiver", "QUICK_ACKS", QUICK_ACKS},
    {"rudp.core.receive.receiver", "RMSS_INITIAL", RMSS_INITIAL},
    {"rudp.core.receive.receiver", "PIECES_MIN", PIECES_MIN},
    {"rudp.core.receive.receiver", "PIECE_OCTETS", PIECE_OCTETS},
    {"rudp.core.loss.rtt", "MIN_RTT_SPACING", MIN_RTT_SPACING},
    {"rudp.core.loss.rtt", "MIN_RTT_WINDOW", MIN_RTT_WINDOW},
    {"rudp.core.loss.tailprobe", "MAX_ACK_DELAY", MAX_ACK_DELAY},
    {"rudp.core.congestion.usage", "PERIOD", PERIOD},
    {"rudp.core.receive.autotune", "TICK", TICK},
    {"rudp.core.receive.promises", "START", START},
    {"rudp.core.receive.promises", "LEAST", LEAST},
    {"rudp.core.receive.promises", "TALK", TALK},
    {"rudp.core.receive.promises", "READ_GAP", READ_GAP},
    {"rudp.core.receive.promises", "REST", REST},
    {"rudp.core.receive.promises", "QUEUE", QUEUE},
    {"rudp.core.life.numbers", "NO_ACK_DUE", NO_ACK_DUE},
    {"rudp.core.life.numbers", "ACK_LATER", ACK_LATER},
    {"rudp.core.life.numbers", "ACK_NOW", ACK_NOW},
};

static int64_t
least(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* -- Python's objects -------------------------------------------------------------------------- */

/* Call the method *name* of *self*, which may go away meanwhile, with up to three arguments, which
   are given away; one of them may be NULL with an exception set. */
static PyObject *
call(PyObject *self, PyObject *name, size_t count, PyObject *one, PyObject *two, PyObject *three)
{
    PyObject *args[4] = {self, one, two, three};
    PyObject *result = NULL;
    Py_XINCREF(self);
    if (self == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the lane was never entered");
    }
    else if ((count < 1 || one) && (count < 2 || two) && (count < 3 || three)) {
        result = PyObject_VectorcallMethod(name, args, count + 1, NULL);
    }
    Py_XDECREF(self);
    Py_XDECREF(one);
    Py_XDECREF(two);
    Py_XDECREF(three);
    return result;
}

/* The same, where the result does not matter: 0 or -1. */
static int
call_only(PyObject *self, PyObject *name, size_t count, PyObject *one, PyObject *two,
          PyObject *three)
{
    PyObject *result = call(self, name, count, one, two, three);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* What is beyond all windows is as good as the end of the scale. */
static int
as_number(PyObject *object, long long *number)
{
    int beyond;
    if (object == NULL) {
        return -1;
    }
    *number = PyLong_AsLongLongAndOverflow(object, &beyond);
    if (beyond) {
        *number = beyond < 0 ? INT64_MIN : INT64_MAX;
    }
    Py_DECREF(object);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

static int
as_double(PyObject *object, double *number)
{
    if (object == NULL) {
        return -1;
    }
    *number = PyFloat_AsDouble(object);
    Py_DECREF(object);
    return *number == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
attribute(PyObject *self, PyObject *name)
{
    if (self == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the lane was never entered");
        return NULL;
    }
    return PyObject_GetAttr(self, name);
}

static int
get_number(PyObject *self, PyObject *name, long long *number)
{
    return as_number(attribute(self, name), number);
}

static int
get_double(PyObject *self, PyObject *name, double *number)
{
    return as_double(attribute(self, name), number);
}

/* None becomes a NaN. */
static int
get_double_or_none(PyObject *self, PyObject *name, double *number)
{
    PyObject *found = attribute(self, name);
    if (found == Py_None) {
        Py_DECREF(found);
        *number = Py_NAN;
        return 0;
    }
    return as_double(found, number);
}

/* Set the attribute to *value*, which is given away and may be NULL with an exception set. */
static int
set(PyObject *self, PyObject *name, PyObject *value)
{
    int result = -1;
    if (value != NULL) {
        result = PyObject_SetAttr(self, name, value);
        Py_DECREF(value);
    }
    return result;
}

static PyObject *
double_or_none(double number)
{
    if (isnan(number)) {
        return Py_NewRef(Py_None);
    }
    return PyFloat_FromDouble(number);
}

/* -- octets in order of their numbers, as the network has them ---------------------------------- */

static unsigned char *
put_32(unsigned char *at, uint32_t number)
{
    at[0] = (unsigned char)(number >> 24);
    at[1] = (unsigned char)(number >> 16);
    at[2] = (unsigned char)(number >> 8);
    at[3] = (unsigned char)number;
    return at + 4;
}

/* And as the flight recorder has them. */
static unsigned char *
put_little(unsigned char *at, uint32_t number, int octets)
{
    for (int i = 0; i < octets; i++) {
        *at++ = (unsigned char)(number >> 8 * i);
    }
    return at;
}

/* -- what was written --------------------------------------------------------------------------- */

static Chunk *
chunk_at(const Lane *lane, size_t n)
{
    return &lane->chunks[(lane->first_chunk + n) & (lane->chunk_room - 1)];
}

static void
forget_chunk(Chunk *chunk)
{
    PyObject *owner = chunk->owner;
    if (owner == NULL) {
        PyMem_Free((void *)chunk->data);
    }
    chunk->data = NULL;
    chunk->owner = NULL;
    Py_XDECREF(owner);
}

/* Make room for one more in a ring of *count* items of *size* octets; return it, or NULL. */
static void *
grown(void *ring, size_t *room, size_t first, size_t count, size_t size)
{
    size_t more = *room ? 2 * *room : 4;
    char *larger;
    if (count < *room) {
        return ring;
    }
    larger = PyMem_Malloc(more * size);
    if (larger == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (count) {
        size_t until_end = *room - first;
        memcpy(larger, (char *)ring + first * size, until_end * size);
        memcpy(larger + until_end * size, ring, first * size);
    }
    PyMem_Free(ring);
    *room = more;
    return larger;
}

/* Return a new chunk behind all others, or NULL with an exception set. */
static Chunk *
new_chunk(Lane *lane)
{
    Chunk *ring = grown(lane->chunks, &lane->chunk_room, lane->first_chunk, lane->chunk_count,
                        sizeof(Chunk));
    if (ring == NULL) {
        return NULL;
    }
    if (ring != lane->chunks) {
        lane->chunks = ring;
        lane->first_chunk = 0;
    }
    return chunk_at(lane, lane->chunk_count++);
}

static int
keep(Lane *lane, PyObject *owner, const void *data, Py_ssize_t length)
{
    Chunk *chunk = new_chunk(lane);
    if (chunk == NULL) {
        return -1;
    }
    chunk->start = lane->end;
    chunk->length = length;
    chunk->data = data;
    chunk->owner = Py_NewRef(owner);
    chunk->room = 0;
    lane->end += length;
    return 0;
}

/* Small writes are gathered in blocks of our own. */
static int
gather(Lane *lane, const void *data, Py_ssize_t length)
{
    Chunk *last = lane->chunk_count ? chunk_at(lane, lane->chunk_count - 1) : NULL;
    Py_ssize_t room = BLOCK_MIN;
    if (last == NULL || last->owner != NULL || last->room - last->length < length) {
        unsigned char *block;
        if (last != NULL && last->owner == NULL) {
            room = last->room < BLOCK_MAX ? 2 * last->room : BLOCK_MAX;
        }
        if (room < length) {
            room = length;
        }
        block = PyMem_Malloc((size_t)room);
        if (block == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        last = new_chunk(lane);
        if (last == NULL) {
            PyMem_Free(block);
            return -1;
        }
        last->start = lane->end;
        last->length = 0;
        last->data = block;
        last->owner = NULL;
        last->room = room;
    }
    memcpy((unsigned char *)last->data + last->length, data, (size_t)length);
    last->length += length;
    lane->end += length;
    return 0;
}

static int
lane_write(Lane *lane, PyObject *data)
{
    Py_ssize_t length = PyBytes_GET_SIZE(data);
    if (length >= SMALL) {
        return keep(lane, data, PyBytes_AS_STRING(data), length);
    }
    return length ? gather(lane, PyBytes_AS_STRING(data), length) : 0;
}

/* Forget the octets below *upto*: they are acknowledged. */
static void
release(Lane *lane, int64_t upto)
{
    while (lane->chunk_count) {
        Chunk *first = chunk_at(lane, 0), gone;
        if (first->start + first->length > upto) {
            break;
        }
        gone = *first;
        lane->first_chunk = (lane->first_chunk + 1) & (lane->chunk_room - 1);
        lane->chunk_count--;
        forget_chunk(&gone);
    }
}

/* Return the place of the chunk that holds the octet *seq*, which was written. */
static size_t
find(const Lane *lane, int64_t seq)
{
    size_t left = 0, right = lane->chunk_count;
    while (right - left > 1) {
        size_t middle = (left + right) / 2;
        if (chunk_at(lane, middle)->start <= seq) {
            left = middle;
        }
        else {
            right = middle;
        }
    }
    return left;
}

static void
forget_all(Lane *lane)
{
    while (lane->chunk_count) {
        Chunk last = *chunk_at(lane, --lane->chunk_count);
        forget_chunk(&last);
    }
}

/* Take over what *buffer*, a SendBuffer, holds. */
static int
take_buffer(Lane *lane, PyObject *buffer)
{
    State *state = lane->state;
    PyObject *taken = call(buffer, state->s_take_chunks, 0, NULL, NULL, NULL), *fast;
    long long end;
    if (taken == NULL) {
        return -1;
    }
    fast = PySequence_Fast(taken, "chunks are a sequence");
    Py_DECREF(taken);
    if (fast == NULL || get_number(buffer, state->s_end, &end) < 0) {
        Py_XDECREF(fast);
        return -1;
    }
    forget_all(lane);
    lane->end = end;
    for (Py_ssize_t i = PySequence_Fast_GET_SIZE(fast); i-- > 0;) {
        PyObject *view = PySequence_Fast_GET_ITEM(fast, i);
        if (!PyMemoryView_Check(view) || !PyBuffer_IsContiguous(PyMemoryView_GET_BUFFER(view), 'C')) {
            PyErr_SetString(PyExc_TypeError, "a chunk is a memoryview of octets");
            Py_DECREF(fast);
            return -1;
        }
        lane->end -= PyMemoryView_GET_BUFFER(view)->len;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast); i++) {
        PyObject *view = PySequence_Fast_GET_ITEM(fast, i);
        Py_buffer *octets = PyMemoryView_GET_BUFFER(view);
        if (keep(lane, view, octets->buf, octets->len) < 0) {
            Py_DECREF(fast);
            return -1;
        }
    }
    Py_DECREF(fast);
    Py_XSETREF(lane->buffer, Py_NewRef(buffer));
    return 0;
}

/* Give it back what it does not know yet, and what is left of the rest. */
static int
give_buffer(Lane *lane)
{
    State *state = lane->state;
    PyObject *chunks = PyList_New(0), *start = NULL, *end = NULL;
    if (chunks == NULL) {
        return -1;
    }
    release(lane, lane->snd_una);
    for (size_t i = 0; i < lane->chunk_count; i++) {
        Chunk *chunk = chunk_at(lane, i);
        PyObject *octets, *view;
        int failed;
        if (chunk->owner != NULL) {
            octets = Py_NewRef(chunk->owner);
        }
        else {
            octets = PyBytes_FromStringAndSize((const char *)chunk->data, chunk->length);
        }
        view = octets == NULL ? NULL : PyMemoryView_FromObject(octets);
        Py_XDECREF(octets);
        failed = view == NULL || PyList_Append(chunks, view) < 0;
        Py_XDECREF(view);
        if (failed) {
            Py_DECREF(chunks);
            return -1;
        }
    }
    start = PyLong_FromLongLong(lane->snd_una);
    end = PyLong_FromLongLong(lane->end);
    if (call_only(lane->buffer, state->s_give_chunks, 3, chunks, start, end) < 0) {
        return -1;
    }
    forget_all(lane);
    return 0;
}

/* -- who watches, and who shares ---------------------------------------------------------------- */

/* The ring of the flight recorder is lent, and where it is in it. */
static int
take_recorder(Lane *lane, PyObject *recorder)
{
    State *state = lane->state;
    PyObject *ring = NULL;
    long long at = 0;
    double latest = 0.0;
    if (recorder != Py_None) {
        ring = PyObject_GetAttr(recorder, state->s_ring);
        if (ring == NULL || get_number(recorder, state->s_at, &at) < 0 ||
            get_double(recorder, state->s_latest, &latest) < 0) {
            Py_XDECREF(ring);
            return -1;
        }
        if (!PyByteArray_CheckExact(ring) || at < 0) {
            Py_DECREF(ring);
            PyErr_SetString(PyExc_TypeError, "the ring is a bytearray");
            return -1;
        }
    }
    lane->ring_at = (Py_ssize_t)at;
    lane->ring_latest = latest;
    Py_XSETREF(lane->ring, ring);
    Py_XSETREF(lane->recorder, Py_NewRef(recorder));
    return 0;
}

static int
give_recorder(Lane *lane)
{
    State *state = lane->state;
    if (lane->ring == NULL) {
        return 0;
    }
    if (set(lane->recorder, state->s_at, PyLong_FromSsize_t(lane->ring_at)) < 0) {
        return -1;
    }
    return set(lane->recorder, state->s_latest, PyFloat_FromDouble(lane->ring_latest));
}

/* The ring has come to its end: let it grow, or begin again. */
static int
turn_ring(Lane *lane)
{
    State *state = lane->state;
    long long at;
    PyObject *ring;
    if (as_number(call(lane->recorder, state->s_turn, 0, NULL, NULL, NULL), &at) < 0) {
        return -1;
    }
    ring = attribute(lane->recorder, state->s_ring);
    if (ring == NULL) {
        return -1;
    }
    if (!PyByteArray_CheckExact(ring) || at < 0 || at + RECORD > PyByteArray_GET_SIZE(ring)) {
        PyErr_SetString(PyExc_ValueError, "the flight recorder's ring is too short");
        Py_DECREF(ring);
        return -1;
    }
    lane->ring_at = (Py_ssize_t)at;
    Py_XSETREF(lane->ring, ring);
    return 0;
}

/* Write an event into the flight recorder (FlightRecorder.sent, received). */
static int
record(Lane *lane, double now, uint32_t seq, uint32_t ack, Py_ssize_t length, Py_ssize_t room,
       unsigned window, int kind, unsigned flags, long code)
{
    float since;
    uint32_t bits;
    unsigned char *to;

    if (lane->ring == NULL) {
        return 0;
    }
    if (lane->ring_at + RECORD > PyByteArray_GET_SIZE(lane->ring) && turn_ring(lane) < 0) {
        return -1;
    }
    since = (float)(now - lane->ring_latest);
    memcpy(&bits, &since, 4);
    to = (unsigned char *)PyByteArray_AS_STRING(lane->ring) + lane->ring_at;
    to = put_little(to, bits, 4);
    to = put_little(to, seq, 4);
    to = put_little(to, ack, 4);
    to = put_little(to, (uint32_t)length, 4);
    to = put_little(to, (uint32_t)room, 2);
    to = put_little(to, window, 2);
    *to++ = (unsigned char)(kind << 4 | lane->state->established_number);
    *to++ = (unsigned char)flags;
    *to = (unsigned char)code;
    lane->ring_at += RECORD;
    lane->ring_latest = now;
    return 0;
}

static int
look_at_controller(Lane *lane)
{
    State *state = lane->state;
    if (get_number(lane->controller, state->s_cwnd, &lane->cwnd) < 0) {
        return -1;
    }
    return get_number(lane->controller, state->s_ssthresh, &lane->ssthresh);
}

/* Let the controller know what was delivered while its window was not in use. */
static int
tell_unused(Lane *lane)
{
    int known;
    long long unused = lane->unused;
    double since = lane->unused_since;
    if (!unused) {
        return 0;
    }
    known = lane->controller == NULL
                ? 0
                : PyObject_IsInstance(lane->controller, lane->state->WindowController);
    if (known <= 0) {
        if (!known) {
            PyErr_SetNone(PyExc_AssertionError);
        }
        return -1;
    }
    if (call_only(lane->controller, lane->state->s_on_unused, 2, PyLong_FromLongLong(unused),
                  double_or_none(since), NULL) < 0) {
        return -1;
    }
    lane->unused = 0;
    lane->unused_since = Py_NAN;
    return 0;
}

/* Let the controller hear of an acknowledgement (Flight.on_ack). */
static int
ask_controller(Lane *lane, const InFlight *run, int64_t seg_ack, int64_t acked, double rate,
               bool limited, double now)
{
    State *s = lane->state;
    PyObject *ack = lane->ack;
    int failed;
    if (tell_unused(lane) < 0) {
        return -1;
    }
    if (ack == NULL) {
        PyErr_SetString(PyExc_AttributeError, "ack");
        return -1;
    }
    Py_INCREF(ack);
    failed =
        set(ack, s->s_prior_in_flight, PyLong_FromLongLong(lane->snd_nxt - lane->snd_una)) < 0 ||
        set(ack, s->s_rtt, PyFloat_FromDouble(lane->delivered_rtt)) < 0 ||
        set(ack, s->s_delivered, PyLong_FromLongLong(acked)) < 0 ||
        set(ack, s->s_lost, PyLong_FromLong(0)) < 0 ||
        set(ack, s->s_delivery_rate, double_or_none(rate)) < 0 ||
        set(ack, s->s_total_delivered, PyLong_FromLongLong(lane->delivered)) < 0 ||
        set(ack, s->s_total_lost, PyLong_FromLongLong(lane->lost)) < 0 ||
        set(ack, s->s_prior_delivered, PyLong_FromLongLong(run->delivered)) < 0 ||
        set(ack, s->s_rate_delivered, PyLong_FromLongLong(lane->delivered - run->delivered)) < 0 ||
        set(ack, s->s_rate_lost, PyLong_FromLongLong(lane->lost - run->lost_before)) < 0 ||
        set(ack, s->s_rate_app_limited, PyBool_FromLong(run->app_limited)) < 0 ||
        set(ack, s->s_tx_in_flight, PyLong_FromLongLong(run->tx_in_flight)) < 0 ||
        set(ack, s->s_now, PyFloat_FromDouble(now)) < 0 ||
        set(ack, s->s_in_flight, PyLong_FromLongLong(lane->snd_nxt - seg_ack)) < 0 ||
        set(ack, s->s_in_recovery, PyBool_FromLong(0)) < 0 ||
        set(ack, s->s_snd_una, PyLong_FromLongLong(seg_ack)) < 0 ||
        set(ack, s->s_snd_nxt, PyLong_FromLongLong(lane->snd_nxt)) < 0 ||
        set(ack, s->s_srtt, PyFloat_FromDouble(lane->srtt)) < 0 ||
        set(ack, s->s_min_rtt, double_or_none(lane->min_rtt)) < 0 ||
        set(ack, s->s_cwnd_limited, PyBool_FromLong(limited)) < 0 ||
        call_only(lane->controller, s->s_on_ack, 1, Py_NewRef(ack), NULL, NULL) < 0;
    Py_DECREF(ack);
    return failed ? -1 : look_at_controller(lane);
}

static int
look_at_autotune(Lane *lane)
{
    State *state = lane->state;
    double rtt;
    if (get_double(lane->autotune, state->s_since, &lane->tuned_at) < 0 ||
        get_double_or_none(lane->autotune, state->s_rtt, &rtt) < 0 ||
        get_double_or_none(lane->autotune, state->s_min_rtt, &lane->shortest_rtt) < 0) {
        return -1;
    }
    lane->tuned_rtt = isnan(rtt) ? OFF : rtt;
    return 0;
}

static int
show_autotune(Lane *lane)
{
    State *state = lane->state;
    if (isnan(lane->shortest_rtt)) {
        return 0; /* there was no measurement */
    }
    if (set(lane->autotune, state->s_tsecr, PyLong_FromLongLong(lane->echoed)) < 0 ||
        set(lane->autotune, state->s_min_rtt, PyFloat_FromDouble(lane->shortest_rtt)) < 0) {
        return -1;
    }
    return set(lane->autotune, state->s_rtt, PyFloat_FromDouble(lane->tuned_rtt));
}

/* Data echoes the time *echo*, in ms of our clock (Autotune.on_tsecr). */
static void
note_round_trip(Lane *lane, int64_t echo, double now)
{
    double rtt = (double)(int64_t)(now * 1000) / 1000 - (double)echo / 1000;
    lane->echoed = echo;
    if (!(rtt > TICK)) {
        rtt = TICK;
    }
    if (lane->tuned_rtt == OFF || rtt < lane->tuned_rtt) {
        lane->tuned_rtt = rtt;
    }
    else {
        lane->tuned_rtt += (rtt - lane->tuned_rtt) / 8;
    }
    if (!(rtt >= lane->shortest_rtt)) { /* or there is none */
        lane->shortest_rtt = rtt;
    }
}

/* Ask how large a buffer the reader is worth (BUF-3); a larger one ends the lane. */
static int
tune(Lane *lane, double now)
{
    long long wanted;
    if (show_autotune(lane) < 0 ||
        as_number(call(lane->autotune, lane->state->s_wanted, 2,
                       PyLong_FromLongLong(lane->octets_read), PyFloat_FromDouble(now), NULL),
                  &wanted) < 0 ||
        look_at_autotune(lane) < 0) {
        return -1;
    }
    if (wanted > lane->receive_buffer) {
        lane->wanted = wanted;
        lane->steady = 0;
    }
    return 0;
}

/* -- what the socket's buffer holds (core/receive/promises.py) ---------------------------------- */

static bool
has_stake(const Lane *lane)
{
    return lane->lent.buffer != NULL;
}

/* Let *stake* lend its numbers. */
static int
take_stake(Lane *lane, PyObject *stake)
{
    State *s = lane->state;
    Lent lent = {0};
    PyObject *loopback;
    if (stake != Py_None) {
        if (get_number(stake, s->s__promised, &lent.promised) < 0 ||
            get_number(stake, s->s__widest, &lent.widest) < 0 ||
            get_number(stake, s->s__burst, &lent.burst) < 0 ||
            get_number(stake, s->s__in_gap, &lent.in_gap) < 0 ||
            get_double(stake, s->s__at_once, &lent.at_once) < 0 ||
            get_double(stake, s->s__cost, &lent.cost) < 0 ||
            get_double(stake, s->s__gap_at, &lent.gap_at) < 0 ||
            (loopback = attribute(stake, s->s__loopback)) == NULL) {
            return -1;
        }
        lent.loopback = loopback == Py_True;
        Py_DECREF(loopback);
        lent.buffer = attribute(stake, s->s__buffer);
        if (lent.buffer == NULL) {
            return -1;
        }
    }
    Py_XDECREF(lane->lent.buffer);
    lane->lent = lent;
    if (stake != lane->stake) {
        Py_XSETREF(lane->stake, Py_NewRef(stake));
    }
    return 0;
}

/* Give them back, for others to ask. */
static int
give_stake(Lane *lane)
{
    State *s = lane->state;
    const Lent *lent = &lane->lent;
    if (!has_stake(lane)) {
        return 0;
    }
    if (set(lane->stake, s->s__promised, PyLong_FromLongLong(lent->promised)) < 0 ||
        set(lane->stake, s->s__widest, PyLong_FromLongLong(lent->widest)) < 0 ||
        set(lane->stake, s->s__burst, PyLong_FromLongLong(lent->burst)) < 0 ||
        set(lane->stake, s->s__in_gap, PyLong_FromLongLong(lent->in_gap)) < 0 ||
        set(lane->stake, s->s__at_once, PyFloat_FromDouble(lent->at_once)) < 0) {
        return -1;
    }
    return set(lane->stake, s->s__gap_at, PyFloat_FromDouble(lent->gap_at));
}

/* What *promised* octets may take of the buffer (Stake._amount). */
static double
stake_amount(const Lent *lent, int64_t promised)
{
    double amount, most;
    if (lent->burst <= TALK) {
        return 0.0;
    }
    amount = (double)promised * lent->at_once;
    most = 2.0 * (double)lent->burst;
    return lent->cost * (most < amount ? most : amount);
}

/* Let it take *amount* of the buffer (SocketBuffer.charge), of which it takes *charge* now. */
static int
stake_charge(Lane *lane, double amount, double charge, double now)
{
    State *s = lane->state;
    PyObject *stakes, *first = NULL, *iterator;
    int result = -1;
    double last_data;
    if (amount != charge) {
        return call_only(lane->lent.buffer, s->s_charge, 3, Py_NewRef(lane->stake),
                         PyFloat_FromDouble(amount), PyFloat_FromDouble(now));
    }
    stakes = attribute(lane->lent.buffer, s->s__stakes);
    if (stakes == NULL) {
        return -1;
    }
    if (PyObject_SetItem(stakes, lane->stake, Py_None) < 0 ||
        call_only(stakes, s->s_move_to_end, 1, Py_NewRef(lane->stake), NULL, NULL) < 0) {
        goto done;
    }
    for (;;) {
        iterator = PyObject_GetIter(stakes);
        if (iterator == NULL) {
            goto done;
        }
        Py_XSETREF(first, PyIter_Next(iterator));
        Py_DECREF(iterator);
        if (first == NULL || first == lane->stake) {
            break;
        }
        if (get_double(first, s->s_last_data, &last_data) < 0) {
            goto done;
        }
        if (!(last_data < now - REST)) {
            break;
        }
        if (call_only(lane->lent.buffer, s->s_leave, 1, Py_NewRef(first), NULL, NULL) < 0) {
            goto done;
        }
    }
    result = PyErr_Occurred() ? -1 : 0;
done:
    Py_XDECREF(first);
    Py_DECREF(stakes);
    return result;
}

/* Data came, and so many octets may still come (Stake.arrived). */
static int
stake_arrived(Lane *lane, double now)
{
    State *s = lane->state;
    Lent *lent = &lane->lent;
    int64_t promised = lane->promised - lane->rcv_nxt, came;
    double since, charge, amount, last_data;
    if (!has_stake(lane)) {
        return 0;
    }
    if (!isnan(lane->shortest_rtt) && !lent->loopback) {
        double part = READ_GAP / lane->shortest_rtt;
        lent->at_once = part < 1.0 ? part : 1.0;
    }
    came = lent->promised - promised;
    lent->promised = promised;
    since = now - lent->gap_at;
    if (since <= READ_GAP) {
        lent->in_gap += came;
    }
    else {
        double faded = since / (2 * REST);
        lent->burst -= (int64_t)((double)lent->burst * (faded < 1.0 ? faded : 1.0));
        lent->in_gap = came;
        lent->gap_at = now;
    }
    if (lent->in_gap > lent->burst) {
        lent->burst = lent->in_gap;
    }
    amount = stake_amount(lent, promised);
    if (get_double(lane->stake, s->s_charge, &charge) < 0 ||
        get_double(lane->stake, s->s_last_data, &last_data) < 0) {
        return -1;
    }
    if (0.75 * charge <= amount && amount <= charge && now - last_data < REST / 2) {
        return 0; /* what was charged a moment ago will do */
    }
    if (set(lane->stake, s->s_last_data, PyFloat_FromDouble(now)) < 0) {
        return -1;
    }
    return stake_charge(lane, amount, charge, now);
}

/* So many octets may come from now on (Stake.granted). */
static int
stake_granted(Lane *lane, int64_t promised)
{
    State *s = lane->state;
    double charge, last_data;
    if (!has_stake(lane)) {
        return 0;
    }
    if (promised > lane->lent.widest) {
        lane->lent.widest = promised;
    }
    lane->lent.promised = promised;
    if (get_double(lane->stake, s->s_charge, &charge) < 0 ||
        get_double(lane->stake, s->s_last_data, &last_data) < 0) {
        return -1;
    }
    if (!(last_data >= 0.0)) {
        return 0;
    }
    return stake_charge(lane, stake_amount(&lane->lent, promised), charge, last_data);
}

static double
larger(double one, double other)
{
    return one > other ? one : other;
}

static double
smaller(double one, double other)
{
    return one < other ? one : other;
}

/* How much of the buffer it may take, as far as that is free (SocketBuffer.room). */
static int
stake_room(Lane *lane, double queue, double *room)
{
    State *s = lane->state;
    PyObject *buffer = lane->lent.buffer, *stakes, *is_large;
    double capacity, charged, charge, half, large_charged, free, small, lent;
    long long large, takers;
    Py_ssize_t receivers;
    int is_in;
    if (get_double(buffer, s->s__capacity, &capacity) < 0 ||
        get_double(buffer, s->s__charged, &charged) < 0 ||
        get_double(lane->stake, s->s_charge, &charge) < 0 ||
        (stakes = attribute(buffer, s->s__stakes)) == NULL) {
        return -1;
    }
    receivers = PyObject_Size(stakes);
    is_in = receivers < 0 ? -1 : PySequence_Contains(stakes, lane->stake);
    Py_DECREF(stakes);
    if (is_in < 0) {
        return -1;
    }
    free = capacity - charged + charge;
    receivers += !is_in;
    if (receivers == 1) {
        *room = free;
        return 0;
    }
    if (get_double(buffer, s->s__half, &half) < 0 ||
        get_double(buffer, s->s__large_charged, &large_charged) < 0 ||
        get_number(buffer, s->s__large, &large) < 0 ||
        get_number(buffer, s->s__takers, &takers) < 0 ||
        (is_large = attribute(lane->stake, s->s_large)) == NULL) {
        return -1;
    }
    small = charged - large_charged;
    if (is_large == Py_True) {
        large--;
    }
    else {
        small -= charge;
    }
    Py_DECREF(is_large);
    lent = large ? (half - small) / (double)(large + 1) : 1.5 * half - 2 * small;
    takers = takers - (charge > 0.0) + 1;
    *room = smaller(larger(half / (double)receivers,
                           smaller(larger(half / (double)takers, lent), queue)),
                    free);
    return 0;
}

/* Octets that may be promised at most: what buffer, window field and socket hold (Receiver._most,
   Stake.most); -1 for an error. */
static int64_t
most_to_promise(Lane *lane)
{
    const Lent *lent = &lane->lent;
    int64_t most = least(lane->receive_buffer, 0xFFFFLL << lane->shift);
    int64_t segment = lane->rmss_max + (1LL << lane->shift), floor;
    double last_data, room, at_once;
    if (!has_stake(lane)) {
        return most;
    }
    if (get_double(lane->stake, lane->state->s_last_data, &last_data) < 0) {
        return -1;
    }
    if (last_data < 0.0) {
        return least(most, START);
    }
    if (stake_room(lane, lent->at_once == 1.0 ? QUEUE : OFF, &room) < 0) {
        return -1;
    }
    floor = least(segment, (lent->widest + 1) / 2);
    if (floor < LEAST) {
        floor = LEAST;
    }
    at_once = smaller(room / lent->cost, (double)(START + 2 * (lane->rcv_nxt - lane->irs)));
    at_once /= lent->at_once;
    return least(most, at_once > (double)floor ? (int64_t)smaller(at_once, 9e18) : floor);
}

/* Return the right edge that the buffer allows now, or the old one (Receiver._grant); -1 for an
   error. */
static int64_t
grant(Lane *lane)
{
    int64_t room = lane->receive_buffer - lane->ready_octets, most = most_to_promise(lane), edge, gain;
    if (most < 0) {
        return -1;
    }
    lane->worth_asking = most - most / 4;
    edge = lane->rcv_nxt + (room < 0 ? 0 : least(room, most));
    gain = edge - lane->promised;
    return gain >= lane->rmss || gain >= most / 2 ? edge : lane->promised;
}

/* Let the receiver, and the stake, know what they need to decide on the window. */
static int
show_receiver(Lane *lane)
{
    State *state = lane->state;
    PyObject *receiver = lane->receiver;
    if (receiver == NULL) {
        PyErr_SetString(PyExc_AttributeError, "receiver");
        return -1;
    }
    if (give_stake(lane) < 0 ||
        set(receiver, state->s_rcv_nxt, PyLong_FromLongLong(lane->rcv_nxt)) < 0 ||
        set(receiver, state->s_ready_octets, PyLong_FromLongLong(lane->ready_octets)) < 0 ||
        set(receiver, state->s_right_edge, PyLong_FromLongLong(lane->rcv_edge)) < 0 ||
        set(receiver, state->s_promised, PyLong_FromLongLong(lane->promised)) < 0 ||
        set(receiver, state->s_looked_at, PyLong_FromLongLong(lane->looked_at)) < 0 ||
        set(receiver, state->s_worth_asking, PyLong_FromLongLong(lane->worth_asking)) < 0) {
        return -1;
    }
    return set(receiver, state->s_rmss, PyLong_FromLongLong(lane->rmss));
}

static int
look_at_receiver(Lane *lane)
{
    State *state = lane->state;
    PyObject *receiver = lane->receiver;
    if (get_number(receiver, state->s_promised, &lane->promised) < 0 ||
        get_number(receiver, state->s_right_edge, &lane->rcv_edge) < 0 ||
        get_number(receiver, state->s_looked_at, &lane->looked_at) < 0 ||
        get_number(receiver, state->s_worth_asking, &lane->worth_asking) < 0) {
        return -1;
    }
    return lane->stake == NULL ? 0 : take_stake(lane, lane->stake);
}

/* -- what comes in ------------------------------------------------------------------------------ */

static InFlight *
run_at(const Lane *lane, size_t n)
{
    return &lane->runs[(lane->first_run + n) & (lane->run_room - 1)];
}

static InFlight *
new_run(Lane *lane)
{
    InFlight *ring =
        grown(lane->runs, &lane->run_room, lane->first_run, lane->run_count, sizeof(InFlight));
    if (ring == NULL) {
        return NULL;
    }
    if (ring != lane->runs) {
        lane->runs = ring;
        lane->first_run = 0;
    }
    return run_at(lane, lane->run_count++);
}

/* Whether *seg_ack* lies within a segment, which something on the way has cut off. */
static bool
tears(const Lane *lane, int64_t seg_ack)
{
    for (size_t i = 0; i < lane->run_count; i++) {
        const InFlight *run = run_at(lane, i);
        if (seg_ack <= run->end) {
            return seg_ack < run->end && (seg_ack - run->origin) % run->mss != 0;
        }
    }
    return false;
}

/* Let RTO or tail-loss probe run (Flight.loss_deadline, RFC 8985 §7.2, §8). */
static void
set_loss_timer(Lane *lane, double now)
{
    double deadline = lane->rto_from + lane->rto;
    if (lane->probes_tail) {
        double pto = 2 * lane->srtt;
        if (lane->snd_nxt - lane->snd_una <= lane->smss) {
            pto += MAX_ACK_DELAY;
        }
        pto = now + (pto > lane->state->pto_min ? pto : lane->state->pto_min);
        if (pto < deadline) {
            deadline = pto;
        }
    }
    if (!isnan(lane->user_timeout) && !isnan(lane->stalled_since)) {
        double end = lane->stalled_since + lane->user_timeout;
        if (end <= deadline) {
            deadline = end;
        }
    }
    lane->loss = deadline;
    lane->timer_set_at = now;
    lane->timer_was_set = 1;
}

static int
look_at_minima(Lane *lane)
{
    PyObject *minima = lane->minima;
    Py_ssize_t count;
    lane->min_rtt = lane->minima_time = lane->latest_min = lane->latest_min_time = Py_NAN;
    if (minima == NULL || !PyTuple_Check(minima)) {
        PyErr_SetString(PyExc_TypeError, "minima is a tuple of pairs");
        return -1;
    }
    count = PyTuple_GET_SIZE(minima);
    if (count < 2) {
        return 0;
    }
    lane->min_rtt = PyFloat_AsDouble(PyTuple_GET_ITEM(minima, 0));
    lane->minima_time = PyFloat_AsDouble(PyTuple_GET_ITEM(minima, 1));
    lane->latest_min = PyFloat_AsDouble(PyTuple_GET_ITEM(minima, count - 2));
    lane->latest_min_time = PyFloat_AsDouble(PyTuple_GET_ITEM(minima, count - 1));
    return PyErr_Occurred() ? -1 : 0;
}

/* The round trip *rtt* may be the shortest (Rtt.observe). */
static int
observe(Lane *lane, double rtt, double now)
{
    PyObject *minima;
    if (!isnan(lane->min_rtt) && rtt > lane->latest_min &&
        now - lane->latest_min_time < MIN_RTT_SPACING &&
        lane->minima_time >= now - MIN_RTT_WINDOW) {
        return 0;
    }
    if (call_only(lane->estimator, lane->state->s_observe, 2, PyFloat_FromDouble(rtt),
                  PyFloat_FromDouble(now), NULL) < 0) {
        return -1;
    }
    minima = attribute(lane->estimator, lane->state->s_minima);
    if (minima == NULL) {
        return -1;
    }
    Py_XSETREF(lane->minima, minima);
    return look_at_minima(lane);
}

/* SRTT and RTO take the sample *r* (RFC 6298 §2). */
static int
sample(Lane *lane, double r)
{
    double srtt = lane->srtt, error;
    if (r < 0.0) {
        r = 0.0;
    }
    error = r - srtt;
    lane->rttvar += (fabs(error) - lane->rttvar) / 4;
    lane->srtt = srtt = srtt + error / 8;
    if (lane->linux_form) {
        double variance = 4 * lane->rttvar;
        double rto = srtt + (variance > lane->floor ? variance : lane->floor);
        lane->rto = rto < lane->ceiling ? rto : lane->ceiling;
        return 0;
    }
    return as_double(call(lane->estimator, lane->state->s_timeout, 2, PyFloat_FromDouble(srtt),
                          PyFloat_FromDouble(lane->rttvar), NULL),
                     &lane->rto);
}

/* The peer has *acked* octets more: what Sender.on_ack and Flight.on_ack make of it. */
static int
acknowledge(Lane *lane, int64_t seg_ack, int64_t acked, double now)
{
    InFlight run, *first = NULL;
    double first_sent_at = 0.0, rtt, interval, send_elapsed, rate = Py_NAN;
    int64_t cwnd;
    bool limited;

    do {
        if (!lane->run_count) {
            PyErr_SetString(PyExc_IndexError, "what is acknowledged is not in flight");
            return -1;
        }
        run = *run_at(lane, 0);
        if (first == NULL) {
            first = &run;
            first_sent_at = run.sent_at;
        }
        if (run.end > seg_ack) {
            run_at(lane, 0)->seq = seg_ack;
            break;
        }
        lane->first_run = (lane->first_run + 1) & (lane->run_room - 1);
        lane->run_count--;
    } while (run.end < seg_ack);
    /* RTT and RTO (RFC 6298 §2, one sample for each round trip). */
    rtt = now - run.sent_at;
    if (observe(lane, rtt, now) < 0) {
        return -1;
    }
    if (seg_ack > lane->sample_from) {
        if (sample(lane, now - first_sent_at) < 0) {
            return -1;
        }
        lane->sample_from = lane->snd_nxt;
    }
    /* The rate of delivery (DeliveryRate.sample). */
    lane->delivered += acked;
    lane->delivered_at = now;
    if (lane->delivered > lane->app_limited) {
        lane->app_limited = 0;
    }
    interval = now - run.delivered_at;
    send_elapsed = run.sent_at - run.first_sent_at;
    if (send_elapsed > interval) {
        interval = send_elapsed;
    }
    lane->first_sent_at = run.sent_at;
    if (interval > 0.0 && !(interval < lane->min_rtt)) { /* nothing is less than a NaN */
        rate = (double)(lane->delivered - run.delivered) / interval;
        if (!run.app_limited || isnan(lane->rate) || rate > lane->rate) {
            lane->rate = rate;
        }
    }
    /* What RACK knows: the latest that has arrived (RFC 8985 §6.2, steps 1 and 2). */
    lane->delivered_end = seg_ack;
    lane->delivered_order = run.order;
    lane->delivered_sent_at = run.sent_at;
    lane->delivered_rtt = rtt;
    /* The congestion window. */
    cwnd = lane->cwnd;
    limited = lane->cwnd_limited || (cwnd < lane->ssthresh && cwnd < 2 * lane->most);
    if (limited || lane->asks_always) {
        if (ask_controller(lane, &run, seg_ack, acked, rate, limited, now) < 0) {
            return -1;
        }
    }
    else {
        lane->unused += acked;
        if (isnan(lane->unused_since)) {
            lane->unused_since = now;
        }
    }
    /* The buffer, and the loss timer. */
    lane->snd_una = seg_ack;
    release(lane, seg_ack);
    if (seg_ack == lane->snd_nxt) {
        lane->loss = OFF;
        lane->stalled_since = Py_NAN;
    }
    else {
        lane->rto_from = now; /* RTO-10 */
        lane->stalled_since = now;
        set_loss_timer(lane, now);
    }
    return 0;
}

/* Whether the segment is what was to be expected; if not, the lane is over. */
static bool
is_expected(Lane *lane, uint32_t seq, uint64_t word, uint32_t tsval, Py_ssize_t length)
{
    int64_t una = lane->snd_una, nxt = lane->snd_nxt, rcv_nxt = lane->rcv_nxt;
    int64_t acked = ((int64_t)(word >> 32) - una) & SEQ_MASK;
    int64_t window = (int64_t)(word & 0xFFFF) << lane->snd_shift;
    if ((word >> 16 & 0xFF & ~FLAG_PSH) != FLAG_ACK || seq != (rcv_nxt & SEQ_MASK) ||
        una + acked > nxt || length > lane->rcv_edge - rcv_nxt ||
        (((int64_t)tsval - lane->ts_recent) & SEQ_MASK) >= SEQ_HALF || /* PAWS */
        !window || !(acked || length || window != lane->snd_wnd) ||
        (acked && una + acked != nxt && tears(lane, una + acked)) ||
        /* Acknowledged before it left: not by an honest peer. */
        (lane->train.seq < lane->train.right && una + acked > lane->train.seq)) {
        lane->steady = 0;
        return false;
    }
    return true;
}

/* Process what was expected.  *data*: its octets, which are given away; NULL if *length* is 0. */
static int
take_expected(Lane *lane, uint32_t seq, uint64_t word, uint32_t tsval, uint32_t tsecr,
              Py_ssize_t length, int segments, Py_ssize_t room, PyObject *data, double now)
{
    State *state = lane->state;
    int64_t una = lane->snd_una, rcv_nxt = lane->rcv_nxt;
    int64_t acked = ((int64_t)(word >> 32) - una) & SEQ_MASK, seg_ack = una + acked;
    int64_t window = (int64_t)(word & 0xFFFF) << lane->snd_shift;
    Py_ssize_t pieces;
    int failed;

    lane->segments_in += segments;
    if (record(lane, now, seq, (uint32_t)(word >> 32), length, room & 0xFFFF, word & 0xFFFF,
               RECORD_RECEIVED, word >> 16 & 0xFF, 0) < 0) {
        goto failed;
    }
    lane->last_heard = now;
    if (length) {
        /* RTTM for the receiver's own round trip (RFC 7323 §4.1, BUF-3). */
        int64_t ms = (int64_t)(now * 1000), clock = ms + lane->ts_offset;
        int64_t ticks = (clock - (int64_t)tsecr) & SEQ_MASK;
        if (ms - ticks != lane->echoed && ticks < SEQ_HALF &&
            ticks <= ((clock - lane->ts_start) & SEQ_MASK)) {
            note_round_trip(lane, ms - ticks, now);
        }
    }

    /* §3.10.7.4, fifth: SND.UNA moves, and SND.WND is updated. */
    if (acked && acknowledge(lane, seg_ack, acked, now) < 0) {
        goto failed;
    }
    if (window != lane->snd_wnd) {
        lane->snd_wnd = window;
        if (window > lane->max_snd_wnd) {
            lane->max_snd_wnd = window;
        }
        lane->events |= WRITABLE;
    }
    else if (acked) {
        lane->events |= WRITABLE;
    }
    lane->snd_wl1 = rcv_nxt;
    lane->snd_wl2 = seg_ack;
    if (!isnan(lane->stalled_since) && seg_ack + window < lane->snd_nxt) {
        lane->stalled_since = now; /* the peer lives and has no room (MUST-37) */
    }

    /* TS.Recent (RFC 7323 §4.3). */
    if (rcv_nxt <= lane->last_ack_sent) {
        lane->ts_recent = tsval;
        lane->ts_recent_at = now;
    }

    /* Seventh, the data. */
    if (!length) {
        Py_XDECREF(data);
        return 0;
    }
    if (length > lane->rmss && room > lane->rmss) {
        lane->rmss = room < lane->rmss_max ? room : lane->rmss_max;
    }
    if (lane->ready == NULL || !PyList_CheckExact(lane->ready)) {
        PyErr_SetString(PyExc_TypeError, "ready is a list");
        goto failed;
    }
    failed = PyList_Append(lane->ready, data);
    Py_CLEAR(data);
    if (failed) {
        goto failed;
    }
    lane->rcv_nxt = rcv_nxt = rcv_nxt + length;
    lane->ready_octets += length;
    pieces = PyList_GET_SIZE(lane->ready);
    if (pieces > PIECES_MIN && pieces > PIECES_MIN + lane->ready_octets / PIECE_OCTETS) {
        PyObject *one = call(state->no_octets, state->s_join, 1, Py_NewRef(lane->ready), NULL, NULL);
        PyObject *list = one == NULL ? NULL : PyList_New(1);
        if (list == NULL) {
            Py_XDECREF(one);
            goto failed;
        }
        PyList_SET_ITEM(list, 0, one);
        Py_SETREF(lane->ready, list);
    }
    /* When it is acknowledged (RFC 5681 §4.2; Receiver.count). */
    lane->unacked += length;
    if (now - lane->last_data > IDLE) {
        lane->quick_acks = QUICK_ACKS;
    }
    lane->last_data = now;
    if (lane->ack_due != ACK_NOW) {
        if (lane->unacked > lane->rmss) {
            lane->ack_due = ACK_NOW;
            Py_XSETREF(lane->ack_why, Py_NewRef(state->why_every_second));
        }
        else if (lane->quick_acks &&
                 length >= (lane->rmss > RMSS_INITIAL ? RMSS_INITIAL : lane->rmss)) {
            lane->quick_acks--;
            lane->ack_due = ACK_NOW;
            Py_XSETREF(lane->ack_why, Py_NewRef(state->why_quick));
        }
        else {
            lane->ack_due = ACK_LATER;
            if (lane->ack_at == OFF) {
                lane->ack_at = now + lane->delayed_ack;
            }
        }
    }
    if (stake_arrived(lane, now) < 0) {
        return -1;
    }
    lane->events |= READABLE;
    if (lane->may_grow && now - lane->tuned_at >= lane->tuned_rtt) {
        return tune(lane, now);
    }
    return 0;

failed:
    Py_XDECREF(data);
    return -1;
}

static int
lane_take(Lane *lane, uint32_t seq, uint64_t word, uint32_t tsval, uint32_t tsecr,
          Py_ssize_t length, int segments, Py_ssize_t room, const unsigned char *data,
          Py_ssize_t stride, Py_ssize_t header, double now)
{
    PyObject *octets = NULL;
    if (!is_expected(lane, seq, word, tsval, length)) {
        return 0;
    }
    if (length) {
        char *to;
        Py_ssize_t left = length;
        octets = PyBytes_FromStringAndSize(NULL, length);
        if (octets == NULL) {
            return -1;
        }
        to = PyBytes_AS_STRING(octets);
        for (; left > 0; data += stride) {
            Py_ssize_t piece = left < stride - header ? left : stride - header;
            memcpy(to, data + header, (size_t)piece);
            to += piece;
            left -= piece;
        }
    }
    if (take_expected(lane, seq, word, tsval, tsecr, length, segments, room, octets, now) < 0) {
        return -1;
    }
    return 1;
}

/* *octets* were read: is a larger window worth telling of?  0 or -1. */
static int
was_read(Lane *lane, Py_ssize_t octets)
{
    State *state = lane->state;
    PyObject *worth;
    int yes;
    lane->octets_read += octets;
    lane->ready_octets -= octets;
    if (lane->promised - lane->rcv_nxt > lane->worth_asking) {
        return 0;
    }
    if (show_receiver(lane) < 0) {
        return -1;
    }
    worth = call(lane->receiver, state->s_announce_room, 0, NULL, NULL, NULL);
    yes = worth == NULL ? -1 : PyObject_IsTrue(worth);
    Py_XDECREF(worth);
    if (yes < 0) {
        return -1;
    }
    if (yes) {
        PyObject *why = attribute(lane->receiver, state->s_ack_why);
        if (why == NULL) {
            return -1;
        }
        lane->ack_due = ACK_NOW;
        Py_XSETREF(lane->ack_why, why);
    }
    return look_at_receiver(lane);
}

static PyObject *
lane_read(Lane *lane)
{
    PyObject *ready = lane->ready, *data;
    Py_ssize_t pieces;
    if (ready == NULL || !PyList_CheckExact(ready)) {
        PyErr_SetString(PyExc_TypeError, "ready is a list");
        return NULL;
    }
    pieces = PyList_GET_SIZE(ready);
    if (!pieces) {
        return Py_NewRef(lane->state->no_octets);
    }
    if (pieces == 1) {
        data = PyList_GET_ITEM(ready, 0);
        data = PyBytes_CheckExact(data) ? Py_NewRef(data) : PyBytes_FromObject(data);
    }
    else {
        data = call(lane->state->no_octets, lane->state->s_join, 1, Py_NewRef(ready), NULL, NULL);
    }
    if (data == NULL || PyList_SetSlice(ready, 0, pieces, NULL) < 0 ||
        was_read(lane, PyBytes_GET_SIZE(data)) < 0) {
        Py_XDECREF(data);
        return NULL;
    }
    return data;
}

/* -- what goes out ------------------------------------------------------------------------------ */

/* Return SEG.WND for a segment sent now (Receiver.window_field), or -1. */
static int64_t
window_field(Lane *lane)
{
    int64_t nxt = lane->rcv_nxt, shift = lane->shift, field, shown;
    if (nxt - lane->looked_at >= lane->rmss) {
        int64_t edge;
        lane->looked_at = nxt;
        edge = grant(lane);
        if (edge < 0) {
            return -1;
        }
        if (edge > lane->promised) {
            field = least((edge - nxt) >> shift, 0xFFFF);
            if (nxt + (field << shift) > lane->promised) {
                lane->promised = nxt + (field << shift);
            }
            if (stake_granted(lane, lane->promised - nxt) < 0) {
                return -1;
            }
        }
    }
    field = (lane->promised - nxt + (1LL << shift) - 1) >> shift;
    if (field > 0xFFFF) {
        field = 0xFFFF;
    }
    shown = nxt + (field << shift);
    if (shown > lane->rcv_edge) {
        lane->rcv_edge = shown;
    }
    return field;
}

/* A segment with ACK leaves: nothing is owed any more (Receiver.ack_sent). */
static void
ack_sent(Lane *lane)
{
    lane->last_ack_sent = lane->rcv_nxt;
    lane->unacked = 0;
    lane->ack_at = OFF;
    lane->ack_due = NO_ACK_DUE;
}

static void
put_header(const Lane *lane, const Train *train, unsigned char *to, int64_t seq, unsigned flags)
{
    to = put_32(to, (uint32_t)lane->ports);
    to = put_32(to, (uint32_t)seq);
    to = put_32(to, train->ack);
    to = put_32(to, (uint32_t)HEADER << 26 | (uint32_t)flags << 16 | train->window);
    to = put_32(to, 0);
    to = put_32(to, TIMESTAMPS_ALONE);
    to = put_32(to, train->tsval);
    put_32(to, train->tsecr);
}

/* What the headers of what leaves now have in common. */
static void
begin_train(const Lane *lane, Train *train, int64_t window, double now)
{
    train->ack = (uint32_t)lane->rcv_nxt;
    train->window = (uint16_t)window;
    train->tsval = (uint32_t)((int64_t)(now * 1000) + lane->ts_offset);
    train->tsecr = (uint32_t)lane->ts_recent;
    train->flags = FLAG_ACK;
}

static void
outgoing_done(Outgoing *out)
{
    PyMem_Free(out->joined);
    out->joined = NULL;
}

static int
add_buffer(Outgoing *out, const void *data, Py_ssize_t length)
{
    if (out->joined != NULL) {
        memcpy(out->joined + out->buffers[0].iov_len, data, (size_t)length);
        out->buffers[0].iov_len += (size_t)length;
        return 0;
    }
    if (out->count == RUN_IOVECS) {
        size_t at = 0;
        out->joined = PyMem_Malloc((size_t)out->total);
        if (out->joined == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        for (int i = 0; i < out->count; i++) {
            memcpy(out->joined + at, out->buffers[i].iov_base, out->buffers[i].iov_len);
            at += out->buffers[i].iov_len;
        }
        out->buffers[0].iov_base = out->joined;
        out->buffers[0].iov_len = at;
        out->count = 1;
        return add_buffer(out, data, length);
    }
    out->buffers[out->count].iov_base = (void *)data;
    out->buffers[out->count].iov_len = (size_t)length;
    out->count++;
    return 0;
}

/* Cut octets [seq, right) into segments (train.cut). */
static int
cut(Lane *lane, const Train *train, int64_t seq, int64_t right, unsigned flags, Outgoing *out)
{
    int64_t mss = train->mss;
    size_t n = find(lane, seq);
    out->segments = (int)((right - seq + mss - 1) / mss);
    out->total = (Py_ssize_t)(right - seq) + out->segments * HEADER;
    if (out->segments > RUN_SEGMENTS) {
        PyErr_SetString(PyExc_ValueError, "too many segments for a run");
        return -1;
    }
    for (int i = 0; i < out->segments; i++) {
        unsigned char *head = out->heads + i * HEADER;
        int64_t stop = seq + mss < right ? seq + mss : right;
        put_header(lane, train, head, seq, stop == right ? flags : flags & ~FLAG_PSH);
        if (add_buffer(out, head, HEADER) < 0) {
            return -1;
        }
        while (seq < stop) {
            const Chunk *chunk;
            int64_t at, piece;
            if (n >= lane->chunk_count || (chunk = chunk_at(lane, n))->start > seq) {
                PyErr_SetString(PyExc_IndexError, "there are no octets to be sent");
                return -1;
            }
            at = seq - chunk->start;
            piece = chunk->length - at < stop - seq ? chunk->length - at : stop - seq;
            if (piece <= 0) {
                n++;
                continue;
            }
            if (add_buffer(out, chunk->data + at, (Py_ssize_t)piece) < 0) {
                return -1;
            }
            seq += piece;
        }
    }
    return 0;
}

static void
begin_outgoing(const Lane *lane, Outgoing *out, Py_ssize_t size, int ecn)
{
    out->joined = NULL;
    out->count = 0;
    out->size = size;
    out->ecn = ecn;
    out->dscp = (int)lane->dscp;
    out->ttl = (int)lane->ttl;
}

/* Write the next run of the train to *out*. */
static int
next_of_train(Lane *lane, Outgoing *out)
{
    Train *train = &lane->train;
    int64_t seq = train->seq;
    int64_t stop = seq + train->room < train->right ? seq + train->room : train->right;
    unsigned flags = stop == train->right ? train->flags : train->flags & ~FLAG_PSH;
    begin_outgoing(lane, out, (Py_ssize_t)train->mss + HEADER, (int)lane->ecn);
    train->seq = stop;
    if (cut(lane, train, seq, stop, flags, out) < 0) {
        outgoing_done(out);
        return -1;
    }
    return 1;
}

/* A period of Usage begins. */
static void
turn(Lane *lane, double now)
{
    lane->peak_before = now < lane->turn_at + PERIOD ? lane->peak : 0;
    lane->peak = 0;
    lane->turn_at = now + PERIOD;
}

/* Send *size* octets from SND.NXT on; the buffer ends at *end* (Connection.run). */
static int
send_new(Lane *lane, int64_t size, int64_t segments, double now, Outgoing *out)
{
    State *state = lane->state;
    int64_t una = lane->snd_una, seq = lane->snd_nxt, mss = lane->smss, end = lane->end;
    int64_t right = seq + size, in_flight = right - una, window;
    Train *train = &lane->train;
    InFlight *run;
    bool limited;

    /* What Sender, Flight, Scoreboard and DeliveryRate note of it. */
    if (isnan(lane->stalled_since)) {
        lane->stalled_since = now;
    }
    if (seq == una) {
        lane->rto_from = now;
        lane->first_sent_at = lane->delivered_at = now;
    }
    run = new_run(lane);
    if (run == NULL) {
        return -1;
    }
    lane->sends++;
    run->seq = run->origin = seq;
    run->end = right;
    run->sent_at = now;
    run->order = lane->sends;
    run->mss = mss;
    run->delivered = lane->delivered;
    run->delivered_at = lane->delivered_at;
    run->first_sent_at = lane->first_sent_at;
    run->app_limited = lane->app_limited > 0;
    run->tx_in_flight = in_flight;
    run->lost_before = lane->lost;
    lane->snd_nxt = right;
    lane->last_sent = now;
    if (lane->paces) {
        if (call_only(lane->flight, state->s_pace_sent, 2, PyLong_FromLongLong(size),
                      PyFloat_FromDouble(now), NULL) < 0 ||
            get_double(lane->flight, state->s_silent_until, &lane->silent_until) < 0) {
            return -1;
        }
    }
    if (now >= lane->turn_at) {
        turn(lane, now);
    }
    if (in_flight > lane->peak) {
        lane->peak = in_flight;
    }
    limited = in_flight + mss > lane->cwnd;
    if (limited || una >= lane->usage_end || (in_flight > lane->most && !lane->cwnd_limited)) {
        lane->cwnd_limited = limited;
        lane->most = in_flight;
        lane->usage_end = right;
    }
    if (size % mss) {
        lane->snd_sml = right;
    }
    if (lane->loss == OFF || now != lane->timer_set_at) {
        set_loss_timer(lane, now);
    }
    lane->events |= WRITABLE;
    /* The headers. */
    window = window_field(lane);
    if (window < 0) {
        return -1;
    }
    begin_train(lane, train, window, now);
    if (right == end) {
        train->flags |= FLAG_PSH; /* the last of what is buffered (MUST-61) */
        if (in_flight < lane->cwnd) { /* and there is no more (Flight.ran_dry) */
            lane->app_limited = lane->delivered + in_flight;
            if (!lane->app_limited) {
                lane->app_limited = 1;
            }
        }
    }
    else {
        lane->more = 1;
    }
    ack_sent(lane);
    if (record(lane, now, (uint32_t)seq, train->ack, (Py_ssize_t)size, (Py_ssize_t)mss,
               train->window, RECORD_SENT, train->flags, state->new_data) < 0) {
        return -1;
    }
    lane->segments_out += (size + mss - 1) / mss;
    train->seq = seq;
    train->right = right;
    train->room = size <= mss ? mss : segments * mss;
    train->mss = mss;
    if (next_of_train(lane, out) < 0) {
        return -1;
    }
    if (train->seq < train->right) {
        lane->more = 1;
    }
    return 1;
}

/* An acknowledgement goes alone. */
static int
send_ack(Lane *lane, double now, Outgoing *out)
{
    int64_t nxt = lane->snd_nxt, edge = lane->snd_una + lane->snd_wnd, window;
    int64_t seq = nxt < edge ? nxt : edge; /* Sender.ack_seq */
    long long why;
    Train train;
    if ((window = window_field(lane)) < 0 ||
        get_number(lane->ack_why, lane->state->s_number, &why) < 0) {
        return -1;
    }
    begin_train(lane, &train, window, now);
    ack_sent(lane);
    lane->segments_out++;
    if (record(lane, now, (uint32_t)seq, train.ack, 0, 0, train.window, RECORD_SENT, FLAG_ACK,
               (long)why) < 0) {
        return -1;
    }
    begin_outgoing(lane, out, HEADER, 0);
    put_header(lane, &train, out->heads, seq, FLAG_ACK);
    out->segments = 1;
    out->total = HEADER;
    return add_buffer(out, out->heads, HEADER) < 0 ? -1 : 1;
}

/* Return how many new octets may leave now, in runs of *segments* (Sender.next_run), or -1. */
static int64_t
new_octets(Lane *lane, int64_t unsent, double now, int64_t segments)
{
    State *state = lane->state;
    int64_t mss = lane->smss, outstanding = lane->snd_nxt - lane->snd_una;
    int64_t usable = lane->snd_wnd - outstanding, size = least(unsent, usable), budget, room;

    /* What is not for the lane, before anything is changed: a probe of the path's MTU, memory to be
       given back or asked for, a restart after a pause, a window below one segment. */
    if (unsent > PROBE_BACKING * mss) {
        PyObject *probe = call(lane->pmtu, state->s_next_probe, 1, PyFloat_FromDouble(now), NULL, NULL);
        if (probe == NULL) {
            return -1;
        }
        Py_DECREF(probe);
        if (probe != Py_None) {
            lane->steady = 0;
            return 0;
        }
    }
    if (!outstanding) {
        double idle = lane->idle_restart ? now - lane->last_sent : 0.0;
        if (idle > lane->rto || size > lane->counted || lane->gives_back ||
            (usable < mss && usable < unsent)) {
            lane->steady = 0;
            return 0;
        }
        if (lane->asks_always) {
            if (call_only(lane->controller, state->s_on_restart, 3, PyFloat_FromDouble(idle),
                          PyFloat_FromDouble(lane->rto), PyFloat_FromDouble(now)) < 0 ||
                look_at_controller(lane) < 0) {
                return -1;
            }
        }
    }
    else if (lane->counted < outstanding + size && lane->counted < outstanding + segments * mss) {
        lane->steady = 0;
        return 0;
    }
    lane->pace = OFF;
    budget = (lane->buffer_limit > 2 * mss ? lane->buffer_limit : 2 * mss) - outstanding;
    size = least(size, budget);
    size = least(size, (segments > 1 ? TRAIN_RUNS : 1) * segments * mss);
    room = lane->cwnd - outstanding;
    if (size > room) {
        lane->cwnd_limited = 1;
        lane->most = outstanding;
        lane->usage_end = lane->snd_nxt;
        size = room < 0 ? 0 : room / mss * mss;
        if (!size && !outstanding) {
            size = least(least(unsent, usable), mss);
        }
    }
    if (size <= 0) {
        return 0;
    }
    if (lane->held_back && size == unsent) {
        int64_t rest = size % (segments * mss);
        if (rest > lane->held_back) {
            rest = size % mss;
        }
        if (rest <= lane->held_back) {
            size -= rest;
        }
        if (!size) {
            return 0;
        }
    }
    if (size > mss || now < lane->silent_until) {
        long long paced;
        PyObject *rate;
        if (set(lane->estimator, state->s_srtt, PyFloat_FromDouble(lane->srtt)) < 0 ||
            as_number(call(lane->flight, state->s_paced_room, 1, PyFloat_FromDouble(now), NULL, NULL),
                      &paced) < 0) {
            return -1;
        }
        rate = attribute(lane->flight, state->s_pace);
        if (rate == NULL) {
            return -1;
        }
        lane->paces = rate != Py_None;
        Py_DECREF(rate);
        if (size > paced) {
            size = paced / mss * mss;
            if (size <= 0) {
                lane->pace = lane->silent_until;
                return 0;
            }
        }
    }
    if (size >= mss) {
        if (size < unsent) {
            size -= size % mss;
        }
    }
    else if (size < unsent && size * 2 < lane->max_snd_wnd) {
        return 0;
    }
    return size;
}

static int
lane_emit(Lane *lane, double now, int max_segments, Outgoing *out)
{
    int64_t end = lane->end, nxt = lane->snd_nxt;
    int found = 0;
    if (lane->train.seq < lane->train.right) {
        found = next_of_train(lane, out);
        lane->more = lane->train.seq < lane->train.right || end > nxt;
        return found;
    }
    lane->more = 0;
    if (end > nxt) {
        int64_t segments, size;
        if (lane->smss <= 0) {
            PyErr_SetString(PyExc_ValueError, "smss is not positive");
            return -1;
        }
        segments = least(max_segments < RUN_SEGMENTS ? max_segments : RUN_SEGMENTS,
                         RUN_OCTETS_MAX / (lane->smss + HEADER));
        size = new_octets(lane, end - nxt, now, segments > 0 ? segments : 1);
        if (size) {
            return size < 0 ? -1 : send_new(lane, size, segments > 0 ? segments : 1, now, out);
        }
        if (!lane->steady) {
            return 0;
        }
    }
    if (lane->ack_due == ACK_NOW) {
        found = send_ack(lane, now, out);
        if (found < 0) {
            return -1;
        }
    }
    if (end == nxt) {
        int64_t in_flight = nxt - lane->snd_una;
        if (in_flight < lane->cwnd) { /* the network may take more than there is (Flight.ran_dry) */
            lane->app_limited = lane->delivered + in_flight;
            if (!lane->app_limited) {
                lane->app_limited = 1;
            }
        }
    }
    return found;
}

static int
lane_expire(Lane *lane, double now)
{
    if (lane->loss <= now || lane->others <= now) {
        lane->steady = 0;
        return 0;
    }
    if (lane->ack_at <= now) {
        State *state = lane->state;
        if (lane->ring != NULL &&
            (give_recorder(lane) < 0 ||
             call_only(lane->recorder, state->s_fired, 3, Py_NewRef(state->established),
                       Py_NewRef(state->delayed_ack), PyFloat_FromDouble(now)) < 0 ||
             take_recorder(lane, lane->recorder) < 0)) {
            return -1;
        }
        lane->ack_at = OFF;
        if (lane->ack_due == ACK_LATER) {
            lane->ack_due = ACK_NOW;
            Py_XSETREF(lane->ack_why, Py_NewRef(state->why_delayed));
        }
    }
    if (lane->pace <= now) {
        lane->pace = OFF;
    }
    return 1;
}

static double
lane_deadline(const Lane *lane)
{
    double earliest = lane->loss;
    if (lane->ack_at < earliest) {
        earliest = lane->ack_at;
    }
    if (lane->pace < earliest) {
        earliest = lane->pace;
    }
    return earliest < lane->others ? earliest : lane->others;
}

/* -- as Python sees it -------------------------------------------------------------------------- */

static PyObject *
transmit(Lane *lane, Outgoing *out)
{
    State *state = lane->state;
    PyObject *octets = PyBytes_FromStringAndSize(NULL, out->total), *args[7], *result = NULL;
    char *to;
    if (octets == NULL) {
        return NULL;
    }
    to = PyBytes_AS_STRING(octets);
    for (int i = 0; i < out->count; i++) {
        memcpy(to, out->buffers[i].iov_base, out->buffers[i].iov_len);
        to += out->buffers[i].iov_len;
    }
    args[0] = Py_NewRef(lane->path == NULL ? Py_None : lane->path);
    args[1] = PyList_New(1);
    if (args[1] != NULL) {
        PyList_SET_ITEM(args[1], 0, octets);
    }
    else {
        Py_DECREF(octets);
    }
    args[2] = PyLong_FromSsize_t(out->size);
    args[3] = PyLong_FromSsize_t(out->total);
    args[4] = PyLong_FromLong(out->dscp);
    args[5] = out->ttl < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(out->ttl);
    args[6] = PyLong_FromLong(out->ecn);
    if (args[1] && args[2] && args[3] && args[4] && args[5] && args[6]) {
        result = PyObject_Vectorcall(state->Transmit, args, 7, NULL);
    }
    for (int i = 0; i < 7; i++) {
        Py_XDECREF(args[i]);
    }
    return result;
}

static bool
has_arguments(Py_ssize_t count, Py_ssize_t wanted, const char *verb)
{
    if (count == wanted) {
        return true;
    }
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments", verb, wanted);
    return false;
}

static PyObject *
Lane_take(Lane *lane, PyObject *const *args, Py_ssize_t count)
{
    unsigned long long word;
    unsigned long seq, tsval, tsecr;
    Py_ssize_t length, room;
    long long segments = 1;
    double now;
    PyObject *source, *data = NULL;
    const unsigned char *octets = NULL;

    if (!has_arguments(count, 7, "take")) {
        return NULL;
    }
    seq = PyLong_AsUnsignedLong(args[0]);
    word = PyLong_AsUnsignedLongLong(args[1]);
    tsval = PyLong_AsUnsignedLong(args[2]);
    tsecr = PyLong_AsUnsignedLong(args[3]);
    length = room = PyLong_AsSsize_t(args[4]);
    source = args[5];
    now = PyFloat_AsDouble(args[6]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (PyMemoryView_Check(source)) {
        Py_buffer *datagram = PyMemoryView_GET_BUFFER(source);
        if (length < 0 || datagram->len != length + HEADER ||
            !PyBuffer_IsContiguous(datagram, 'C')) {
            PyErr_SetString(PyExc_ValueError, "length is not that of the data");
            return NULL;
        }
        octets = datagram->buf;
    }
    else {
        State *state = lane->state;
        long long first;
        if (get_number(source, state->s_segments, &segments) < 0 ||
            get_number(source, state->s_segment_octets, &first) < 0) {
            return NULL;
        }
        if (segments != 1) {
            room = (Py_ssize_t)first;
        }
        if (!is_expected(lane, (uint32_t)seq, word, (uint32_t)tsval, length)) {
            Py_RETURN_FALSE;
        }
        if (length) {
            data = call(source, state->s_octets, 2, PyLong_FromLong(0),
                        PyLong_FromSsize_t(length), NULL);
            if (data == NULL) {
                return NULL;
            }
        }
        if (take_expected(lane, (uint32_t)seq, word, (uint32_t)tsval, (uint32_t)tsecr, length,
                          (int)segments, room, data, now) < 0) {
            return NULL;
        }
        Py_RETURN_TRUE;
    }
    switch (lane_take(lane, (uint32_t)seq, word, (uint32_t)tsval, (uint32_t)tsecr, length, 1, room,
                      octets, length + HEADER, HEADER, now)) {
    case 1:
        Py_RETURN_TRUE;
    case 0:
        Py_RETURN_FALSE;
    default:
        return NULL;
    }
}

static PyObject *
Lane_emit(Lane *lane, PyObject *const *args, Py_ssize_t count)
{
    double now;
    long max_segments;
    Outgoing out;
    PyObject *result;
    if (!has_arguments(count, 2, "emit")) {
        return NULL;
    }
    now = PyFloat_AsDouble(args[0]);
    max_segments = PyLong_AsLong(args[1]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    switch (lane_emit(lane, now, max_segments < 1 ? 1 : (int)least(max_segments, RUN_SEGMENTS), &out)) {
    case 1:
        result = transmit(lane, &out);
        outgoing_done(&out);
        return result;
    case 0:
        Py_RETURN_NONE;
    default:
        return NULL;
    }
}

static PyObject *
Lane_read(Lane *lane, PyObject *const *args, Py_ssize_t count)
{
    Py_ssize_t pieces = lane->ready != NULL && PyList_CheckExact(lane->ready)
                            ? PyList_GET_SIZE(lane->ready)
                            : 0;
    long long most;
    PyObject *data;
    if (count > 1) {
        PyErr_SetString(PyExc_TypeError, "read() takes one argument at most");
        return NULL;
    }
    if (count == 0 || args[0] == Py_None || !pieces) {
        return lane_read(lane);
    }
    if (as_number(Py_NewRef(args[0]), &most) < 0) {
        return NULL;
    }
    if (most >= lane->ready_octets && pieces == 1) {
        return lane_read(lane);
    }
    data = PyObject_CallFunctionObjArgs(lane->state->take_first, lane->ready, args[0], NULL);
    if (data == NULL) {
        return NULL;
    }
    if (!PyBytes_Check(data) || was_read(lane, PyBytes_GET_SIZE(data)) < 0) {
        Py_DECREF(data);
        return NULL;
    }
    return data;
}

static PyObject *
Lane_write(Lane *lane, PyObject *data)
{
    int result;
    PyObject *octets = PyBytes_Check(data) ? Py_NewRef(data) : PyBytes_FromObject(data);
    if (octets == NULL) {
        return NULL;
    }
    result = lane_write(lane, octets);
    Py_DECREF(octets);
    return result < 0 ? NULL : PyLong_FromLongLong(lane->end - lane->snd_nxt);
}

static PyObject *
Lane_expire(Lane *lane, PyObject *arg)
{
    double now = PyFloat_AsDouble(arg);
    int done;
    if (now == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    done = lane_expire(lane, now);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

/* All numbers are here; each is looked at when it is needed, so there is nothing to prepare. */
static PyObject *
Lane_begin(Lane *Py_UNUSED(lane), PyObject *Py_UNUSED(arg))
{
    Py_RETURN_NONE;
}

static PyObject *
Lane_finish(Lane *lane, PyObject *Py_UNUSED(arg))
{
    if (tell_unused(lane) < 0 || give_buffer(lane) < 0 || give_recorder(lane) < 0 ||
        (lane->receiver != NULL && (show_receiver(lane) < 0 || show_autotune(lane) < 0))) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef Lane_methods[] = {
    {"take", (PyCFunction)(void (*)(void))Lane_take, METH_FASTCALL,
     PyDoc_STR("take($self, seq, word, tsval, tsecr, length, source, now, /)\n--\n\n"
               "Process a segment, or a run of several, if it is what was to be expected.")},
    {"emit", (PyCFunction)(void (*)(void))Lane_emit, METH_FASTCALL,
     PyDoc_STR("emit($self, now, max_segments, /)\n--\n\n"
               "Return the next run to be sent, None if there is nothing.")},
    {"read", (PyCFunction)(void (*)(void))Lane_read, METH_FASTCALL,
     PyDoc_STR("read($self, most=None, /)\n--\n\n"
               "Return the octets that are in order, most at the most.")},
    {"write", (PyCFunction)Lane_write, METH_O,
     PyDoc_STR("write($self, data, /)\n--\n\nQueue data; return how many octets wait to be sent.")},
    {"expire", (PyCFunction)Lane_expire, METH_O,
     PyDoc_STR("expire($self, now, /)\n--\n\n"
               "Do what is due; False, and the lane is over, if it is the RFC code's.")},
    {"begin", (PyCFunction)Lane_begin, METH_NOARGS,
     PyDoc_STR("begin($self, /)\n--\n\nAll numbers are here.")},
    {"finish", (PyCFunction)Lane_finish, METH_NOARGS,
     PyDoc_STR("finish($self, /)\n--\n\nThe lane is over: give back what was lent to it alone.")},
    {NULL, NULL, 0, NULL},
};

/* A double that may be None; *closure*: where it lies. */
static PyObject *
get_optional(Lane *lane, void *closure)
{
    return double_or_none(*(double *)((char *)lane + (size_t)closure));
}

static int
set_optional(Lane *lane, PyObject *value, void *closure)
{
    double *number = (double *)((char *)lane + (size_t)closure);
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "numbers cannot be deleted");
        return -1;
    }
    if (value == Py_None) {
        *number = Py_NAN;
        return 0;
    }
    return as_double(Py_NewRef(value), number);
}

static PyObject *
get_ttl(Lane *lane, void *Py_UNUSED(closure))
{
    return lane->ttl < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(lane->ttl);
}

static int
set_ttl(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "numbers cannot be deleted");
        return -1;
    }
    if (value == Py_None) {
        lane->ttl = -1;
        return 0;
    }
    return as_number(Py_NewRef(value), &lane->ttl);
}

static PyObject *
get_buffer(Lane *lane, void *Py_UNUSED(closure))
{
    return Py_NewRef(lane->buffer == NULL ? Py_None : lane->buffer);
}

static int
set_buffer(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the buffer cannot be deleted");
        return -1;
    }
    return take_buffer(lane, value);
}

static PyObject *
get_minima(Lane *lane, void *Py_UNUSED(closure))
{
    return Py_NewRef(lane->minima == NULL ? Py_None : lane->minima);
}

static int
set_minima(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    Py_XSETREF(lane->minima, Py_XNewRef(value));
    return look_at_minima(lane);
}

static PyObject *
get_receiver(Lane *lane, void *Py_UNUSED(closure))
{
    return Py_NewRef(lane->receiver == NULL ? Py_None : lane->receiver);
}

static int
set_receiver(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    PyObject *autotune = attribute(value, lane->state->s_autotune);
    if (autotune == NULL || get_number(value, lane->state->s_irs, &lane->irs) < 0) {
        Py_XDECREF(autotune);
        return -1;
    }
    Py_XSETREF(lane->receiver, Py_NewRef(value));
    Py_XSETREF(lane->autotune, autotune);
    return look_at_autotune(lane);
}

static PyObject *
get_recorder(Lane *lane, void *Py_UNUSED(closure))
{
    return Py_NewRef(lane->recorder == NULL ? Py_None : lane->recorder);
}

static int
set_recorder(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the recorder cannot be deleted");
        return -1;
    }
    return take_recorder(lane, value);
}

static PyObject *
get_stake(Lane *lane, void *Py_UNUSED(closure))
{
    return Py_NewRef(lane->stake == NULL ? Py_None : lane->stake);
}

static int
set_stake(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the stake cannot be deleted");
        return -1;
    }
    return take_stake(lane, value);
}

/* What is in flight, as numbers.Sent. */
static PyObject *
get_runs(Lane *lane, void *Py_UNUSED(closure))
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < lane->run_count; i++) {
        const InFlight *r = run_at(lane, i);
        PyObject *run = PyObject_CallFunction(
            lane->state->Sent, "LLdLLLLddOLL", (long long)r->seq, (long long)r->end, r->sent_at,
            (long long)r->order, (long long)r->mss, (long long)r->origin, (long long)r->delivered,
            r->delivered_at, r->first_sent_at, r->app_limited ? Py_True : Py_False,
            (long long)r->tx_in_flight, (long long)r->lost_before);
        if (run == NULL || PyList_Append(list, run) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(run);
    }
    return list;
}

static int
set_runs(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    PyObject *runs;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "runs cannot be deleted");
        return -1;
    }
    runs = PySequence_Tuple(value);
    if (runs == NULL) {
        return -1;
    }
    lane->run_count = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(runs); i++) {
        long long seq, end, order, mss, origin, delivered, tx_in_flight, lost_before;
        double sent_at, delivered_at, first_sent_at;
        int app_limited;
        InFlight *run;
        if (!PyTuple_Check(PyTuple_GET_ITEM(runs, i)) ||
            !PyArg_ParseTuple(PyTuple_GET_ITEM(runs, i), "LLdLLLLddpLL:runs", &seq, &end, &sent_at,
                              &order, &mss, &origin, &delivered, &delivered_at, &first_sent_at,
                              &app_limited, &tx_in_flight, &lost_before)) {
            goto failed;
        }
        if (mss <= 0) {
            PyErr_SetString(PyExc_ValueError, "mss is not positive");
            goto failed;
        }
        run = new_run(lane);
        if (run == NULL) {
            goto failed;
        }
        *run = (InFlight){
            .seq = seq, .end = end, .order = order, .mss = mss, .origin = origin,
            .delivered = delivered, .tx_in_flight = tx_in_flight, .lost_before = lost_before,
            .sent_at = sent_at, .delivered_at = delivered_at, .first_sent_at = first_sent_at,
            .app_limited = app_limited != 0,
        };
    }
    Py_DECREF(runs);
    return 0;

failed:
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_TypeError, "a run is a tuple");
    }
    Py_DECREF(runs);
    return -1;
}

/* What is left of the train, the last of it first. */
static PyObject *
get_train(Lane *lane, void *Py_UNUSED(closure))
{
    Train train = lane->train;
    PyObject *list = PyList_New(0);
    while (list != NULL && lane->train.seq < lane->train.right) {
        Outgoing out;
        PyObject *run = NULL;
        if (next_of_train(lane, &out) == 1) {
            run = transmit(lane, &out);
            outgoing_done(&out);
        }
        if (run == NULL || PyList_Append(list, run) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(run);
    }
    lane->train = train;
    if (list != NULL && PyList_Reverse(list) < 0) {
        Py_CLEAR(list);
    }
    return list;
}

static int
set_train(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    Py_ssize_t count;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the train cannot be deleted");
        return -1;
    }
    count = PySequence_Size(value);
    if (count) {
        if (count > 0) {
            PyErr_SetString(PyExc_ValueError, "the lane makes its trains itself");
        }
        return -1;
    }
    lane->train.seq = lane->train.right = 0;
    return 0;
}

static PyObject *
get_deadline(Lane *lane, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble(lane_deadline(lane));
}

static PyObject *
get_unsent(Lane *lane, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(lane->end - lane->snd_nxt);
}

static PyObject *
get_room(Lane *lane, void *Py_UNUSED(closure))
{
    int64_t room = least(lane->snd_wnd, lane->cwnd) - (lane->snd_nxt - lane->snd_una);
    return PyLong_FromLongLong(room > 0 ? room : 0);
}

#define OPTIONAL(name) \
    {#name, (getter)get_optional, (setter)set_optional, NULL, (void *)offsetof(Lane, name)}

static PyGetSetDef Lane_getset[] = {
    OPTIONAL(stalled_since),
    OPTIONAL(user_timeout),
    OPTIONAL(rate),
    OPTIONAL(unused_since),
    {"ttl", (getter)get_ttl, (setter)set_ttl, NULL, NULL},
    {"buffer", (getter)get_buffer, (setter)set_buffer, NULL, NULL},
    {"minima", (getter)get_minima, (setter)set_minima, NULL, NULL},
    {"receiver", (getter)get_receiver, (setter)set_receiver, NULL, NULL},
    {"recorder", (getter)get_recorder, (setter)set_recorder, NULL, NULL},
    {"stake", (getter)get_stake, (setter)set_stake, NULL, NULL},
    {"runs", (getter)get_runs, (setter)set_runs, NULL, NULL},
    {"train", (getter)get_train, (setter)set_train, NULL, NULL},
    {"deadline", (getter)get_deadline, NULL, NULL, NULL},
    {"unsent", (getter)get_unsent, NULL, NULL, NULL},
    {"room", (getter)get_room, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define NUMBER(name) {#name, T_LONGLONG, offsetof(Lane, name), 0, NULL}
#define SECONDS(name) {#name, T_DOUBLE, offsetof(Lane, name), 0, NULL}
#define YES_OR_NO(name) {#name, T_BOOL, offsetof(Lane, name), 0, NULL}
#define REFERENCE(name) {#name, T_OBJECT_EX, offsetof(Lane, name), 0, NULL}

static PyMemberDef Lane_members[] = {
    YES_OR_NO(steady), YES_OR_NO(more), YES_OR_NO(idle_restart), YES_OR_NO(gives_back),
    YES_OR_NO(paces), YES_OR_NO(linux_form), YES_OR_NO(timer_was_set), YES_OR_NO(probes_tail),
    YES_OR_NO(asks_always), YES_OR_NO(cwnd_limited), YES_OR_NO(may_grow),

    REFERENCE(path), REFERENCE(flight), REFERENCE(pmtu), REFERENCE(estimator),
    REFERENCE(controller), REFERENCE(ack), REFERENCE(ready), REFERENCE(ack_why),

    NUMBER(events), NUMBER(ports), NUMBER(dscp), NUMBER(ecn), NUMBER(segments_in),
    NUMBER(segments_out), NUMBER(snd_una), NUMBER(snd_nxt), NUMBER(snd_wnd), NUMBER(snd_wl1),
    NUMBER(snd_wl2), NUMBER(snd_sml), NUMBER(max_snd_wnd), NUMBER(snd_shift), NUMBER(smss),
    NUMBER(buffer_limit), NUMBER(counted), NUMBER(held_back), NUMBER(sends), NUMBER(sample_from),
    NUMBER(delivered), NUMBER(app_limited), NUMBER(lost), NUMBER(delivered_end),
    NUMBER(delivered_order), NUMBER(cwnd), NUMBER(ssthresh), NUMBER(unused), NUMBER(most),
    NUMBER(usage_end), NUMBER(peak), NUMBER(peak_before), NUMBER(rcv_nxt), NUMBER(rcv_edge),
    NUMBER(promised), NUMBER(looked_at), NUMBER(worth_asking), NUMBER(shift), NUMBER(rmss),
    NUMBER(rmss_max), NUMBER(ready_octets), NUMBER(octets_read), NUMBER(receive_buffer),
    NUMBER(wanted), NUMBER(ack_due), NUMBER(last_ack_sent), NUMBER(unacked), NUMBER(quick_acks),
    NUMBER(ts_recent), NUMBER(ts_offset), NUMBER(ts_start), NUMBER(echoed),

    SECONDS(last_heard), SECONDS(others), SECONDS(last_sent), SECONDS(silent_until), SECONDS(srtt),
    SECONDS(rttvar), SECONDS(rto), SECONDS(floor), SECONDS(ceiling), SECONDS(delivered_at),
    SECONDS(first_sent_at), SECONDS(delivered_sent_at), SECONDS(delivered_rtt), SECONDS(rto_from),
    SECONDS(timer_set_at), SECONDS(loss), SECONDS(pace), SECONDS(turn_at), SECONDS(ack_at),
    SECONDS(delayed_ack), SECONDS(last_data), SECONDS(ts_recent_at), SECONDS(tuned_at),
    SECONDS(tuned_rtt),
    {NULL, 0, 0, 0, NULL},
};

static int
Lane_traverse(Lane *lane, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(lane));
    Py_VISIT(lane->path);
    Py_VISIT(lane->recorder);
    Py_VISIT(lane->buffer);
    Py_VISIT(lane->flight);
    Py_VISIT(lane->pmtu);
    Py_VISIT(lane->estimator);
    Py_VISIT(lane->minima);
    Py_VISIT(lane->controller);
    Py_VISIT(lane->ack);
    Py_VISIT(lane->receiver);
    Py_VISIT(lane->stake);
    Py_VISIT(lane->ready);
    Py_VISIT(lane->ack_why);
    Py_VISIT(lane->autotune);
    Py_VISIT(lane->ring);
    Py_VISIT(lane->lent.buffer);
    for (size_t i = 0; i < lane->chunk_count; i++) {
        Py_VISIT(chunk_at(lane, i)->owner);
    }
    return 0;
}

static int
Lane_clear(Lane *lane)
{
    Py_CLEAR(lane->path);
    Py_CLEAR(lane->recorder);
    Py_CLEAR(lane->buffer);
    Py_CLEAR(lane->flight);
    Py_CLEAR(lane->pmtu);
    Py_CLEAR(lane->estimator);
    Py_CLEAR(lane->minima);
    Py_CLEAR(lane->controller);
    Py_CLEAR(lane->ack);
    Py_CLEAR(lane->receiver);
    Py_CLEAR(lane->stake);
    Py_CLEAR(lane->ready);
    Py_CLEAR(lane->ack_why);
    Py_CLEAR(lane->autotune);
    Py_CLEAR(lane->ring);
    Py_CLEAR(lane->lent.buffer);
    forget_all(lane);
    lane->end = lane->snd_nxt; /* nothing is left to be sent */
    lane->train.seq = lane->train.right;
    return 0;
}

static void
Lane_dealloc(Lane *lane)
{
    PyTypeObject *type = Py_TYPE(lane);
    PyObject_GC_UnTrack(lane);
    Lane_clear(lane);
    PyMem_Free(lane->chunks);
    PyMem_Free(lane->runs);
    type->tp_free(lane);
    Py_DECREF(type);
}

static PyObject *
Lane_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Lane *lane;
    if (PyTuple_GET_SIZE(args) || (kwargs != NULL && PyDict_GET_SIZE(kwargs))) {
        PyErr_SetString(PyExc_TypeError, "Lane() takes no arguments");
        return NULL;
    }
    lane = (Lane *)type->tp_alloc(type, 0);
    if (lane == NULL) {
        return NULL;
    }
    lane->state = PyType_GetModuleState(type);
    lane->stalled_since = lane->user_timeout = lane->rate = lane->unused_since = Py_NAN;
    lane->min_rtt = lane->minima_time = lane->latest_min = lane->latest_min_time = Py_NAN;
    lane->shortest_rtt = Py_NAN;
    lane->ttl = -1;
    return (PyObject *)lane;
}

static PyType_Slot Lane_slots[] = {
    {Py_tp_doc, "What is done with the numbers of one steady connection, in C."},
    {Py_tp_new, Lane_new},
    {Py_tp_dealloc, Lane_dealloc},
    {Py_tp_traverse, Lane_traverse},
    {Py_tp_clear, Lane_clear},
    {Py_tp_methods, Lane_methods},
    {Py_tp_members, Lane_members},
    {Py_tp_getset, Lane_getset},
    {0, NULL},
};

static PyType_Spec Lane_spec = {
    .name = "rudp._lane.Lane",
    .basicsize = sizeof(Lane),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Lane_slots,
};

/* -- the module --------------------------------------------------------------------------------- */

/* Return *name* of *module*, or a member of it: ``Why.ACK_QUICK``. */
static PyObject *
imported(const char *module, const char *name, const char *member)
{
    PyObject *from = PyImport_ImportModule(module), *found;
    if (from == NULL) {
        return NULL;
    }
    found = PyObject_GetAttrString(from, name);
    Py_DECREF(from);
    if (found != NULL && member != NULL) {
        Py_SETREF(found, PyObject_GetAttrString(found, member));
    }
    return found;
}

#ifdef __linux__
#include "_engine.h"
#endif

static int
exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    PyObject *new_data;
    long long number;
    int failed;
    for (size_t i = 0; i < sizeof(SHARED) / sizeof(SHARED[0]); i++) {
        double value;
        if (as_double(imported(SHARED[i].module, SHARED[i].name, NULL), &value) < 0) {
            return -1;
        }
        if (value != SHARED[i].value) {
            PyErr_Format(PyExc_ImportError, "rudp._lane was made for another %s.%s",
                         SHARED[i].module, SHARED[i].name);
            return -1;
        }
    }
#define NAME(name)                                                          \
    if ((state->s_##name = PyUnicode_InternFromString(#name)) == NULL) { \
        return -1;                                                       \
    }
    NAMES(NAME)
#undef NAME
#define IMPORT(field, module, name, member)                                 \
    if ((state->field = imported(module, name, member)) == NULL) {       \
        return -1;                                                       \
    }
    IMPORT(Transmit, "rudp.core.segment.transmit", "Transmit", NULL)
    IMPORT(Sent, "rudp.core.life.numbers", "Sent", NULL)
    IMPORT(WindowController, "rudp.core.congestion.newreno", "WindowController", NULL)
    IMPORT(take_first, "rudp.core.receive.receiver", "take_first", NULL)
    IMPORT(delayed_ack, "rudp.core.terms.timers", "DELAYED_ACK", NULL)
    IMPORT(why_every_second, "rudp.core.terms.why", "Why", "ACK_EVERY_SECOND")
    IMPORT(why_quick, "rudp.core.terms.why", "Why", "ACK_QUICK")
    IMPORT(why_delayed, "rudp.core.terms.why", "Why", "ACK_DELAYED")
    IMPORT(established, "rudp.core.terms.state", "State", "ESTABLISHED")
#undef IMPORT
    if ((state->no_octets = PyBytes_FromStringAndSize(NULL, 0)) == NULL ||
        as_double(imported("rudp.core.loss.tailprobe", "PTO_MIN", NULL), &state->pto_min) < 0 ||
        as_number(Py_NewRef(state->established), &number) < 0) {
        return -1;
    }
    state->established_number = (long)number;
    new_data = imported("rudp.core.terms.why", "Why", "NEW_DATA");
    failed = new_data == NULL || get_number(new_data, state->s_number, &number) < 0;
    Py_XDECREF(new_data);
    if (failed) {
        return -1;
    }
    state->new_data = (long)number;
    state->Lane = (PyTypeObject *)PyType_FromModuleAndSpec(module, &Lane_spec, NULL);
    if (state->Lane == NULL || PyModule_AddType(module, state->Lane) < 0) {
        return -1;
    }
#ifdef __linux__
    return engine_exec(module, state);
#else
    return 0;
#endif
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
#define OBJECT(name) Py_VISIT(state->name);
    OBJECTS(OBJECT)
#undef OBJECT
    Py_VISIT(state->Lane);
    Py_VISIT(state->Seat);
    return 0;
}

static int
module_clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
#define NAME(name) Py_CLEAR(state->s_##name);
    NAMES(NAME)
#undef NAME
#define OBJECT(name) Py_CLEAR(state->name);
    OBJECTS(OBJECT)
#undef OBJECT
    Py_CLEAR(state->Lane);
    Py_CLEAR(state->Seat);
    return 0;
}

static void
module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_USED}, /* nothing here takes a lock of its own */
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "rudp._lane",
    .m_doc = "The lane of rudp.core.life.lane, in C.",
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__lane(void)
{
    return PyModuleDef_Init(&module);
}
