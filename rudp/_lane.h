/* What the files of the lane in C share: its numbers, and its verbs without Python's objects.

   The names are those of rudp/core/life/numbers.py, which says what they mean; the verbs those of
   rudp/core/life/lane.py, which says what they do.  Numbers are growing int64_t, sizes octets,
   times seconds. */

#ifndef RUDP_LANE_H
#define RUDP_LANE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef _WIN32
struct iovec {
    void *iov_base;
    size_t iov_len;
};
#else
#include <sys/uio.h>
#endif

#define HEADER 32      /* octets of a header whose only option is timestamps, */
#define SIGNED 48      /* and of one that is signed besides (TCP-AO) */
#define MAC 12         /* octets of a signature, at the end of that */
#define RUN_SEGMENTS 64 /* segments of a run at most: what UDP_SEGMENT takes */
#define RUN_IOVECS 256  /* buffers of a run at most; where more are needed it is joined */

/* What the procedures of the RFCs and these have in common; exec() compares. */
#define OFF HUGE_VAL
#define SEQ_MASK 0xFFFFFFFFLL
#define SEQ_HALF 0x80000000LL
#define FLAG_FIN 0x01
#define FLAG_PSH 0x08
#define FLAG_ACK 0x10
#define FLAG_AE 0x100
#define FLAGS_ECN 0xC0 /* CWR and ECE: two thirds of the ACE field, or nothing */
#define ANY_ECN (-1)
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
#define WINDOW_MAX (1LL << 30)
#define START (16 * 1024)
#define LEAST (16 * 1024)
#define TALK (4 * 1024)
#define LITTLE (4 * 1024)
#define READ_GAP 0.0025
#define REST 0.1
#define QUEUE (256 * 1024)

enum { NO_ACK_DUE, ACK_LATER, ACK_NOW };

/* The attributes and methods of Python's objects that are used here. */
#define NAMES(NAME) \
    NAME(app_limited) NAME(at) NAME(autotune) NAME(begin) NAME(charge) NAME(checker) NAME(copy) \
    NAME(cwnd) NAME(cwnd_limited) NAME(delivered) NAME(delivered_at) NAME(delivery_rate) NAME(digest) \
    NAME(end) NAME(fired) NAME(first_sent_at) NAME(give_chunks) NAME(in_flight) \
    NAME(in_recovery) NAME(irs) NAME(join) NAME(large) NAME(last_data) NAME(latest) NAME(leave) \
    NAME(looked_at) NAME(lost) NAME(lost_before) NAME(min_rtt) NAME(minima) NAME(move_to_end) \
    NAME(next_probe) NAME(note_data) NAME(now) NAME(number) NAME(observe) NAME(octets) NAME(on_ack) \
    NAME(on_restart) NAME(on_unused) NAME(option) NAME(own_autotune) NAME(pace) NAME(pace_sent) \
    NAME(paced_room) \
    NAME(prior_delivered) NAME(prior_in_flight) NAME(promised) NAME(rate_app_limited) \
    NAME(rate_delivered) NAME(rate_lost) NAME(rcv_nxt) NAME(ready_octets) NAME(right_edge) \
    NAME(ring) NAME(rmss) NAME(rtt) NAME(segment_octets) NAME(segments) NAME(signer) NAME(silent_until) \
    NAME(since) NAME(snd_nxt) NAME(snd_una) NAME(srtt) NAME(ssthresh) NAME(take_chunks) \
    NAME(timeout) NAME(total_delivered) NAME(total_lost) NAME(tsecr) NAME(turn) \
    NAME(tx_in_flight) NAME(update) NAME(wanted) NAME(worth_asking) NAME(_at_once) NAME(_buffer) NAME(_burst) \
    NAME(_capacity) NAME(_charged) NAME(_cost) NAME(_gap_at) NAME(_half) NAME(_in_gap) \
    NAME(_large) NAME(_large_charged) NAME(_loopback) NAME(_most_read) NAME(_promised) \
    NAME(_read_before) NAME(_stakes) NAME(_takers) NAME(_widest)

/* Classes, functions and members of enumerations. */
#define OBJECTS(OBJECT) \
    OBJECT(Transmit) OBJECT(Sent) OBJECT(WindowController) OBJECT(take_first) OBJECT(no_octets) \
    OBJECT(why_every_second) OBJECT(why_quick) OBJECT(why_delayed) OBJECT(established) \
    OBJECT(why_update) OBJECT(delayed_ack)

/* What this module holds; there is one for each interpreter. */
typedef struct {
#define NAME(name) PyObject *s_##name;
    NAMES(NAME)
#undef NAME
#define OBJECT(name) PyObject *name;
    OBJECTS(OBJECT)
#undef OBJECT
    long established_number;
    long new_data; /* the number of Why.NEW_DATA */
    double pto_min;
    PyTypeObject *Lane, *Seat;
} State;

/* Octets that were written, from START on. */
typedef struct {
    int64_t start;
    Py_ssize_t length;
    const unsigned char *data;
    PyObject *owner;      /* bytes or a memoryview; NULL: a block of our own, */
    Py_ssize_t room;      /* which holds so many octets, and more can be added */
} Chunk;

/* Octets that are in flight (numbers.Sent). */
typedef struct {
    int64_t seq, end, order, mss, origin, delivered, tx_in_flight, lost_before;
    double sent_at, delivered_at, first_sent_at;
    bool app_limited;
} InFlight;

/* Runs that were decided on, and have not been emitted yet: octets [seq, right). */
typedef struct {
    int64_t seq, right, room, mss;
    uint32_t ack, tsval, tsecr;
    uint16_t flags, window;
} Train;

/* What the MAC of a segment of *octets* octets begins with: hashes to be copied (_signed.h). */
typedef struct {
    PyObject *signature, *inner, *outer;
    uint32_t extension;
    Py_ssize_t octets;
} Begun;

/* What a Stake and its SocketBuffer keep (core/receive/promises.py); the stake's own numbers are
   lent, as long as nobody else asks for them. */
typedef struct {
    PyObject *buffer;
    long long promised, widest, burst, in_gap;
    double at_once, cost, gap_at;
    bool loopback;
} Lent;

typedef struct {
    PyObject_HEAD
    State *state;
    struct Seat *seat; /* where the engine serves it, or NULL (_engine.h) */

    char steady, more, idle_restart, gives_back, paces, linux_form, timer_was_set, probes_tail;
    char minima_moved, asks_always, cwnd_limited, may_grow;

    /* The connection. */
    PyObject *path, *recorder, *ring; /* the recorder's, and where it is in it */
    Py_ssize_t ring_at;
    double ring_latest;
    long long events, ports, dscp, ttl /* -1: None */, ecn, segments_in, segments_out;
    long long expected_ecn, flags, expected_flags, notable, ts_latest;
    double last_heard, others;
    Train train;

    /* SND.* and what is in flight. */
    PyObject *buffer, *flight, *pmtu;
    long long snd_una, snd_nxt, snd_wnd, snd_wl1, snd_wl2, snd_sml, max_snd_wnd, snd_shift, smss;
    long long buffer_limit, counted, held_back, sends;
    double stalled_since, user_timeout; /* a NaN is None */
    double last_sent, silent_until;
    int64_t end; /* of what was written */
    Chunk *chunks;
    size_t first_chunk, chunk_count, chunk_room; /* a ring; the room is a power of two */
    InFlight *runs;
    size_t first_run, run_count, run_room;

    /* Round trips, rates and the loss timer. */
    PyObject *estimator, *minima;
    double min_rtt, minima_time, latest_min, latest_min_time; /* what is asked of the minima */
    double srtt, rttvar, rto, floor, ceiling;
    double delivered_at, first_sent_at, rate, delivered_sent_at, delivered_rtt;
    double rto_from, timer_set_at, loss, pace;
    long long sample_from, delivered, app_limited, lost, delivered_end, delivered_order;

    /* The congestion window. */
    PyObject *controller, *ack;
    long long cwnd, ssthresh, unused, most, usage_end, peak, peak_before;
    double unused_since, turn_at;

    /* RCV.*. */
    PyObject *receiver, *stake, *ready, *ack_why, *autotune;
    long long rcv_nxt, rcv_edge, promised, looked_at, worth_asking, shift, rmss, rmss_max;
    long long ready_octets, octets_read, receive_buffer, wanted, ack_due, last_ack_sent, unacked;
    long long quick_acks, ts_recent, ts_offset, ts_start, echoed;
    double ack_at, delayed_ack, last_data, ts_recent_at, tuned_at, tuned_rtt;
    long long read_before, most_read; /* Autotune's */
    long long irs;
    double shortest_rtt; /* Autotune.min_rtt */
    Lent lent;

    /* Who signs and checks (core/life/guard.py), NULL for nobody. */
    PyObject *guard, *signer; /* the latter for what leaves now, whose option is this: */
    unsigned char option[SIGNED - HEADER];
    Begun begun[4]; /* full segments and others, there and back */
} Lane;

/* A run, or a segment alone, that is to be sent.  The buffers lie in *heads* and in what was
   written: they are good until the lane is asked for something else. */
typedef struct {
    int segments;
    Py_ssize_t size;  /* of a full datagram, its header included */
    Py_ssize_t total; /* of all */
    int ecn, dscp, ttl; /* ttl: -1 for the system's */
    int count;        /* buffers */
    struct iovec buffers[RUN_IOVECS];
    unsigned char heads[RUN_SEGMENTS * SIGNED];
    unsigned char *joined; /* NULL, or the whole run, to be freed with outgoing_done() */
} Outgoing;

/* Process a segment, or *segments* of them in a run, of *length* octets of data in all.

   *word*: acknowledgment number, data offset, flags (of the last) and window as in the header.
   *room*: octets of data in the first segment.  *data*: the datagrams, each *stride* octets after
   the one before, with *header* octets before its data.
   Return 1 if they were taken; 0 if not: then nothing was changed, and the lane is over (``steady``
   is false); -1 with an exception set.  After 1 ``steady`` may be false too: the lane is over. */
static int lane_take(Lane *lane, uint32_t seq, uint64_t word, uint32_t tsval, uint32_t tsecr,
                     Py_ssize_t length, int segments, Py_ssize_t room, const unsigned char *data,
                     Py_ssize_t stride, Py_ssize_t header, double now);

/* Write the next run to be sent to *out*.  Return 1 if there is one, and ``more`` tells whether to
   ask again; 0 if not: if ``steady`` is false then, the lane is over, and the question is still
   open; -1 with an exception set.  After 1 outgoing_done() is to be called. */
static int lane_emit(Lane *lane, double now, int max_segments, Outgoing *out);
static void outgoing_done(Outgoing *out);

/* Queue *data*, bytes; 0, or -1 with an exception set. */
static int lane_write(Lane *lane, PyObject *data);

/* Return all octets that are in order as bytes, or NULL with an exception set. */
static PyObject *lane_read(Lane *lane);

/* Do what is due (timers_expire).  1; 0 if it is the RFC code's, and the lane is over; -1. */
static int lane_expire(Lane *lane, double now);

/* When the lane wants to be asked again. */
static double lane_deadline(const Lane *lane);

#endif
