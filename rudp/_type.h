/* The type Lane, as Python sees it: methods and attributes. */

#ifndef RUDP_TYPE_H
#define RUDP_TYPE_H

#include "_emit.h"
#include "_take.h"

static PyObject *
transmit(Lane *lane, Outgoing *out)
{
    State *state = lane->state;
    PyObject *octets = PyBytes_FromStringAndSize(NULL, out->total), *args[7], *result = NULL;
    if (octets == NULL) {
        return NULL;
    }
    put_all((unsigned char *)PyBytes_AS_STRING(octets), out->buffers, out->count);
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
        if (lane->guard != NULL) {
            Py_RETURN_FALSE; /* it comes past the guard, and does not end the lane */
        }
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
    if (tell_unused(lane) < 0 || show_minima(lane) < 0 || give_buffer(lane) < 0 || give_recorder(lane) < 0 ||
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

static bool
is_given(PyObject *value, const char *what)
{
    if (value == NULL) {
        PyErr_Format(PyExc_AttributeError, "%s cannot be deleted", what);
        return false;
    }
    return true;
}

/* An object, or None before there is one; *closure*: where it lies. */
static PyObject *
get_reference(Lane *lane, void *closure)
{
    PyObject *found = *(PyObject **)((char *)lane + (size_t)closure);
    return Py_NewRef(found == NULL ? Py_None : found);
}

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
    if (!is_given(value, "numbers")) {
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
    if (!is_given(value, "numbers")) {
        return -1;
    }
    if (value == Py_None) {
        lane->ttl = -1;
        return 0;
    }
    return as_number(Py_NewRef(value), &lane->ttl);
}

static int
set_buffer(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    if (!is_given(value, "the buffer")) {
        return -1;
    }
    return take_buffer(lane, value);
}

static PyObject *
get_minima(Lane *lane, void *Py_UNUSED(closure))
{
    if (show_minima(lane) < 0) {
        return NULL;
    }
    return Py_NewRef(lane->minima == NULL ? Py_None : lane->minima);
}

static int
set_minima(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    Py_XSETREF(lane->minima, Py_XNewRef(value));
    return look_at_minima(lane);
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

static int
set_guard(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    Py_XSETREF(lane->guard, value == Py_None ? NULL : Py_XNewRef(value));
    return 0;
}

static int
set_recorder(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    if (!is_given(value, "the recorder")) {
        return -1;
    }
    return take_recorder(lane, value);
}

static int
set_stake(Lane *lane, PyObject *value, void *Py_UNUSED(closure))
{
    if (!is_given(value, "the stake")) {
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
    if (!is_given(value, "runs")) {
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
    if (!is_given(value, "the train")) {
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
    {"buffer", (getter)get_reference, (setter)set_buffer, NULL, (void *)offsetof(Lane, buffer)},
    {"minima", (getter)get_minima, (setter)set_minima, NULL, NULL},
    {"receiver", (getter)get_reference, (setter)set_receiver, NULL, (void *)offsetof(Lane, receiver)},
    {"guard", (getter)get_reference, (setter)set_guard, NULL, (void *)offsetof(Lane, guard)},
    {"recorder", (getter)get_reference, (setter)set_recorder, NULL, (void *)offsetof(Lane, recorder)},
    {"stake", (getter)get_reference, (setter)set_stake, NULL, (void *)offsetof(Lane, stake)},
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

    NUMBER(events), NUMBER(ports), NUMBER(dscp), NUMBER(ecn), NUMBER(expected_ecn), NUMBER(flags),
    NUMBER(expected_flags), NUMBER(notable), NUMBER(ts_latest), NUMBER(segments_in),
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
    SECONDS(delayed_ack), SECONDS(last_data), SECONDS(ts_recent_at),
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
    Py_VISIT(lane->guard);
    Py_VISIT(lane->signer);
    for (size_t i = 0; i < sizeof lane->begun / sizeof *lane->begun; i++) {
        Py_VISIT(lane->begun[i].signature);
        Py_VISIT(lane->begun[i].inner);
        Py_VISIT(lane->begun[i].outer);
    }
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
    Py_CLEAR(lane->guard);
    Py_CLEAR(lane->signer);
    for (size_t i = 0; i < sizeof lane->begun / sizeof *lane->begun; i++) {
        forget_begun(&lane->begun[i]);
    }
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

#endif
