/* What is asked of the flight recorder, the controller and auto-tuning. */

#ifndef RUDP_ROOMS_H
#define RUDP_ROOMS_H

#include "_objects.h"

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
    *to++ = (unsigned char)(kind << 4 | (flags & FLAG_AE) >> 1 | lane->state->established_number);
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
        get_number(lane->autotune, state->s__read_before, &lane->read_before) < 0 ||
        get_number(lane->autotune, state->s__most_read, &lane->most_read) < 0 ||
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
    PyObject *own = call(lane->receiver, state->s_own_autotune, 0, NULL, NULL, NULL);
    if (own == NULL) {
        return -1;
    }
    Py_XSETREF(lane->autotune, own);
    if (set(lane->autotune, state->s_since, PyFloat_FromDouble(lane->tuned_at)) < 0 ||
        set(lane->autotune, state->s__read_before, PyLong_FromLongLong(lane->read_before)) < 0 ||
        set(lane->autotune, state->s_tsecr, PyLong_FromLongLong(lane->echoed)) < 0 ||
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
    if (lane->rcv_nxt - lane->irs <= LITTLE) {
        return;
    }
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
    double read = (double)(lane->octets_read - lane->read_before) * lane->tuned_rtt /
                  (now - lane->tuned_at);
    if (read < (double)(lane->most_read + 1)) { /* no quicker than before (Autotune.wanted) */
        lane->read_before = lane->octets_read;
        lane->tuned_at = now;
        return 0;
    }
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

#endif
