/* How much the peer may send: the stake in the socket's buffer, and the window.

   It is rudp/core/receive/promises.py, and Receiver.window_field with what that asks. */

#ifndef RUDP_WINDOW_H
#define RUDP_WINDOW_H

#include "_objects.h"

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

/* Let the receiver, and the stake, know what was promised. */
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

/* Octets were read: owe a window update if that is worth one (Receiver.announce_room, SWS-4). */
static int
announce_room(Lane *lane)
{
    int64_t edge = grant(lane), left = lane->promised - lane->rcv_nxt, most, worth;
    if (edge < 0) {
        return -1;
    }
    if (edge <= lane->promised) {
        return 0;
    }
    most = most_to_promise(lane);
    if (most < 0) {
        return -1;
    }
    worth = least(2 * lane->rmss, most / 2);
    if (worth < most / 4) {
        worth = most / 4;
    }
    if (left <= 0 || edge - lane->promised >= worth) {
        lane->ack_due = ACK_NOW;
        Py_XSETREF(lane->ack_why, Py_NewRef(lane->state->why_update));
        lane->looked_at = lane->irs - WINDOW_MAX;
        lane->worth_asking = WINDOW_MAX;
    }
    return 0;
}

#endif
