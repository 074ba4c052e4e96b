/* What goes out: Lane.emit; and what is due: Lane.expire. */

#ifndef RUDP_EMIT_H
#define RUDP_EMIT_H

#include "_flight.h"
#include "_rooms.h"
#include "_signed.h"
#include "_window.h"
#include "_written.h"

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
    to = put_32(to, (uint32_t)header_of(lane) << 26 | (uint32_t)flags << 16 | train->window);
    to = put_32(to, 0);
    to = put_32(to, TIMESTAMPS_ALONE);
    to = put_32(to, train->tsval);
    to = put_32(to, train->tsecr);
    if (lane->guard != NULL) {
        memcpy(to, lane->option, sizeof lane->option);
    }
}

/* What the headers of what leaves now have in common. */
static void
begin_train(const Lane *lane, Train *train, int64_t window, double now)
{
    train->ack = (uint32_t)lane->rcv_nxt;
    train->window = (uint16_t)window;
    train->tsval = (uint32_t)((int64_t)(now * 1000) + lane->ts_offset);
    train->tsecr = (uint32_t)lane->ts_recent;
    train->flags = (uint16_t)lane->flags;
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
        out->joined = PyMem_Malloc((size_t)out->total);
        if (out->joined == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        out->buffers[0].iov_len =
            (size_t)(put_all(out->joined, out->buffers, out->count) - out->joined);
        out->buffers[0].iov_base = out->joined;
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
    int64_t mss = train->mss, first = seq;
    Py_ssize_t header = header_of(lane);
    size_t n = find(lane, seq);
    out->segments = (int)((right - seq + mss - 1) / mss);
    out->total = (Py_ssize_t)(right - seq) + out->segments * header;
    if (out->segments > RUN_SEGMENTS) {
        PyErr_SetString(PyExc_ValueError, "too many segments for a run");
        return -1;
    }
    for (int i = 0; i < out->segments; i++) {
        unsigned char *head = out->heads + i * header;
        int64_t stop = seq + mss < right ? seq + mss : right;
        put_header(lane, train, head, seq, stop == right ? flags : flags & ~FLAG_PSH);
        if (add_buffer(out, head, header) < 0) {
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
    return sign(lane, out, first, mss);
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
    begin_outgoing(lane, out, (Py_ssize_t)train->mss + header_of(lane), (int)lane->ecn);
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
    if (window < 0 || begin_to_sign(lane, now) < 0) {
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
    if ((window = window_field(lane)) < 0 || begin_to_sign(lane, now) < 0 ||
        get_number(lane->ack_why, lane->state->s_number, &why) < 0) {
        return -1;
    }
    begin_train(lane, &train, window, now);
    ack_sent(lane);
    lane->segments_out++;
    if (record(lane, now, (uint32_t)seq, train.ack, 0, 0, train.window, RECORD_SENT, train.flags,
               (long)why) < 0) {
        return -1;
    }
    begin_outgoing(lane, out, header_of(lane), 0);
    put_header(lane, &train, out->heads, seq, train.flags);
    out->segments = 1;
    out->total = out->size;
    if (add_buffer(out, out->heads, out->size) < 0 || sign(lane, out, seq, 0) < 0) {
        outgoing_done(out);
        return -1;
    }
    return 1;
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
                         RUN_OCTETS_MAX / (lane->smss + header_of(lane)));
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

#endif
