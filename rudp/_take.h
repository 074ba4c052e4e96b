/* What comes in: Lane.take and Lane.read. */

#ifndef RUDP_TAKE_H
#define RUDP_TAKE_H

#include "_flight.h"
#include "_rooms.h"
#include "_window.h"
#include "_written.h"

static int
look_at_minima(Lane *lane)
{
    PyObject *minima = lane->minima;
    Py_ssize_t count;
    lane->min_rtt = lane->minima_time = lane->latest_min = lane->latest_min_time = Py_NAN;
    lane->minima_moved = 0;
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

/* Let the estimator know when the shortest was seen, if that is all that has changed. */
static int
show_minima(Lane *lane)
{
    PyObject *minima;
    if (!lane->minima_moved) {
        return 0;
    }
    minima = Py_BuildValue("(dd)", lane->min_rtt, lane->minima_time);
    if (minima == NULL) {
        return -1;
    }
    Py_XSETREF(lane->minima, minima);
    lane->minima_moved = 0;
    return set(lane->estimator, lane->state->s_minima, Py_NewRef(minima));
}

/* The round trip *rtt* may be the shortest (Rtt.observe). */
static int
observe(Lane *lane, double rtt, double now)
{
    PyObject *minima;
    if (rtt == lane->min_rtt && PyTuple_GET_SIZE(lane->minima) == 2) {
        lane->minima_time = lane->latest_min_time = now; /* each time, where a clock is coarse */
        lane->minima_moved = 1;
        return 0;
    }
    if (!isnan(lane->min_rtt) && rtt > lane->latest_min &&
        now - lane->latest_min_time < MIN_RTT_SPACING &&
        lane->minima_time >= now - MIN_RTT_WINDOW) {
        return 0;
    }
    if (show_minima(lane) < 0 ||
        call_only(lane->estimator, lane->state->s_observe, 2, PyFloat_FromDouble(rtt),
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

/* Whether a datagram of *size* octets may come with these ECN bits; CE is nothing for a lane. */
static bool
is_expected_ecn(const Lane *lane, Py_ssize_t size, int ecn)
{
    return size == header_of(lane) || lane->expected_ecn == ANY_ECN || lane->expected_ecn == ecn;
}

/* Whether the segment is what was to be expected; if not, the lane is over. */
static bool
is_expected(Lane *lane, uint32_t seq, uint64_t word, uint32_t tsval, Py_ssize_t length)
{
    int64_t una = lane->snd_una, nxt = lane->snd_nxt, rcv_nxt = lane->rcv_nxt;
    int64_t acked = ((int64_t)(word >> 32) - una) & SEQ_MASK;
    int64_t window = (int64_t)(word & 0xFFFF) << lane->snd_shift;
    if ((word & (uint64_t)lane->notable) != (uint64_t)lane->expected_flags || seq != (rcv_nxt & SEQ_MASK) ||
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
               RECORD_RECEIVED, word >> 16 & 0x1FF, 0) < 0) {
        goto failed;
    }
    lane->last_heard = now;
    lane->ts_latest = tsval;
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
    lane->octets_read += octets;
    lane->ready_octets -= octets;
    return lane->promised - lane->rcv_nxt > lane->worth_asking ? 0 : announce_room(lane);
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

#endif
