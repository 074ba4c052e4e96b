/* A UDP socket on Linux that serves lanes: what rudp/udp/linux.py does for all connections, done
   here for those that are steady, without an object of Python's for each datagram.

   It reads whole batches (UDP_GRO), finds out whose they are, and gives them to the lanes; then
   the protocols get their data (_receive.h), and what the lanes have to send leaves, in batches too
   (_send.h).  Whatever is not for a lane, and whatever does not go as it should, is left to the
   code in Python, in the order in which it came.

   The system calls never block, and keep the GIL. */

#include "_seats.h"
#include "_receive.h"
#include "_send.h"

/* -- seats --------------------------------------------------------------------------------- */

/* The connection leaves its seat. */
static void seat_leave(Seat *seat) {
    seat->engine = NULL;
    if (seat->lane)
        seat->lane->seat = NULL;
    Py_CLEAR(seat->protocol);
    Py_CLEAR(seat->sink);
    Py_CLEAR(seat->connection);
    Py_CLEAR(seat->lane);
}

static int Seat_traverse(Seat *seat, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(seat));
    Py_VISIT(seat->lane);
    Py_VISIT(seat->connection);
    Py_VISIT(seat->sink);
    Py_VISIT(seat->protocol);
    return 0;
}

static int Seat_clear(Seat *seat) {
    seat_leave(seat);
    return 0;
}

static void Seat_dealloc(Seat *seat) {
    PyTypeObject *type = Py_TYPE(seat);
    PyObject_GC_UnTrack(seat);
    seat_leave(seat);
    Py_XDECREF(seat->path);
    type->tp_free(seat);
    Py_DECREF(type);
}

PyDoc_STRVAR(seat_write_doc,
             "write($self, data, /)\n--\n\n"
             "Queue *data*, and have it sent; return the octets that wait to be sent, -1 if it is\n"
             "not for the lane and nothing was done.");

/* Who is alone at the socket and answers what has just come need not wait for the end of the turn:
   that saves the loop a callback for each message.  But all that is written in one turn should
   leave together, and nobody can know whether this is all: who has written more after that is
   not served so until data has come PATIENCE times. */
static PyObject *Seat_write(Seat *seat, PyObject *data) {
    Engine *engine = seat->engine;
    if (!engine || !PyBytes_CheckExact(data))
        return PyLong_FromLong(-1);
    Lane *lane = seat->lane;
    if (lane_write(lane, data))
        return NULL;
    if (seat->answered)
        seat->patience = PATIENCE;
    push_ready(engine, seat);
    if (engine->alone && !seat->patience && !seat->answered && !engine->blocked &&
        engine->ready.first == seat && engine->ready.last == seat) {
        seat->answered = 1;
        Py_INCREF(seat);
        Py_INCREF(engine);
        double now;
        int failed = engine_time(engine, &now);
        failed = failed || engine_run(engine, now) || engine_part(engine);
        if (!failed && (engine->ready.first || engine->touched.first || engine->blocked))
            failed = engine_wake(engine);
        long long unsent = !failed && seat->lane ? seat->lane->end - seat->lane->snd_nxt : 0;
        Py_DECREF(engine);
        Py_DECREF(seat);
        return failed ? NULL : PyLong_FromLongLong(unsent);
    }
    if (engine_wake(engine))
        return NULL;
    return PyLong_FromLongLong(lane->end - lane->snd_nxt);
}

static PyObject *Seat_get_protocol(Seat *seat, void *Py_UNUSED(closure)) {
    return Py_NewRef(seat->protocol ? seat->protocol : Py_None);
}

static int Seat_set_protocol(Seat *seat, PyObject *protocol, void *Py_UNUSED(closure)) {
    if (seat->engine)
        Py_XSETREF(seat->protocol, protocol && protocol != Py_None ? Py_NewRef(protocol) : NULL);
    return 0;
}

static PyMethodDef Seat_methods[] = {
    {"write", (PyCFunction)Seat_write, METH_O, seat_write_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Seat_getset[] = {
    {"protocol", (getter)Seat_get_protocol, (setter)Seat_set_protocol,
     "Who takes the data as it comes, None for the transport's pump().", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(seat_doc, "The place of a steady connection at its socket: Engine.enter() gives it.");

static PyType_Slot Seat_slots[] = {
    {Py_tp_doc, (void *)seat_doc},       {Py_tp_traverse, Seat_traverse},
    {Py_tp_clear, Seat_clear},           {Py_tp_dealloc, Seat_dealloc},
    {Py_tp_methods, Seat_methods},       {Py_tp_getset, Seat_getset},
    {0, NULL},
};

static PyType_Spec Seat_spec = {
    .name = "rudp._lane.Seat",
    .basicsize = sizeof(Seat),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Seat_slots,
};

/* -- the engine ---------------------------------------------------------------------------- */

/* Write to *key* where *lane*'s segments come from; 0 if that cannot be told, -1 for an error. */
static int key_of(const Engine *engine, const Lane *lane, Key *key) {
    PyObject *address, *local, *peer;
    const char *name, *host;
    int port, family = engine->ipv6 ? AF_INET6 : AF_INET;
    uint32_t ports = (uint32_t)lane->ports;
    memset(key, 0, sizeof *key);
    key->ports = htonl(ports << 16 | ports >> 16);
    if (engine->connected)
        return 1;
    if (!PyArg_ParseTuple(lane->path, "O!U", &PyTuple_Type, &address, &local))
        return -1;
    if (PyTuple_GET_SIZE(address) == 4) {
        if (!PyArg_ParseTuple(address, "UiOI", &peer, &port, &address, &key->scope))
            return -1;
    } else if (!PyArg_ParseTuple(address, "Ui", &peer, &port))
        return -1;
    if (!(name = PyUnicode_AsUTF8(peer)) || !(host = PyUnicode_AsUTF8(local)))
        return -1;
    key->port = htons((uint16_t)port);
    if (inet_pton(family, name, key->peer) != 1)
        return 0;
    return !engine->wildcard || !*host || inet_pton(family, host, key->host) == 1;
}

/* Take *seat* away: what has not been told or sent yet is for Python. */
static int engine_unseat(Engine *engine, Seat *seat) {
    PyObject *connection = Py_NewRef(seat->connection), *sink = Py_XNewRef(seat->sink);
    int pending = seat->is_ready || seat->is_touched;
    seat_leave(seat);
    seats_remove(engine, seat);
    int failed = sink ? tell(sink, "seated", Py_None) : 0;
    if (!failed && pending && !engine->closed)
        failed = tell(engine->receiver, "attend", connection);
    Py_DECREF(connection);
    Py_XDECREF(sink);
    return failed;
}

PyDoc_STRVAR(engine_enter_doc,
             "enter($self, connection, lane, sink, /)\n--\n\n"
             "Serve *connection*, which has got *lane*, for its transport *sink* (or None).\n\n"
             "The transport hears of its Seat by seated(), if there is one for it.");

static PyObject *Engine_enter(Engine *engine, PyObject *args) {
    PyObject *connection, *given, *sink;
    Key key;
    if (!PyArg_ParseTuple(args, "OOO", &connection, &given, &sink))
        return NULL;
    if (engine->closed || !Py_IS_TYPE(given, engine->lane_type))
        Py_RETURN_NONE;
    Lane *lane = (Lane *)given;
    int known = key_of(engine, lane, &key);
    if (known < 0)
        return NULL;
    if (!known || lane->seat || seat_find(engine, &key))
        Py_RETURN_NONE;
    Seat *seat = (Seat *)engine->seat_type->tp_alloc(engine->seat_type, 0);
    if (!seat)
        return NULL;
    seat->key = key;
    seat->path = Py_NewRef(lane->path);
    if (seats_add(engine, seat)) {
        Py_DECREF(seat);
        return NULL;
    }
    seat->engine = engine;
    seat->lane = (Lane *)Py_NewRef(given);
    seat->connection = Py_NewRef(connection);
    seat->sink = sink == Py_None ? NULL : Py_NewRef(sink);
    lane->seat = seat;
    int failed = seat->sink ? tell(sink, "seated", (PyObject *)seat) : 0;
    Py_DECREF(seat);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(engine_leave_doc, "leave($self, lane, /)\n--\n\nThe *lane* is over.");

static PyObject *Engine_leave(Engine *engine, PyObject *given) {
    if (Py_IS_TYPE(given, engine->lane_type)) {
        Seat *seat = ((Lane *)given)->seat;
        if (seat && seat->engine == engine && engine_unseat(engine, seat))
            return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(engine_close_doc,
             "close($self, /)\n--\n\nTouch the socket no more, and forget everybody.  Idempotent.");

static void engine_empty(Engine *engine) {
    Seat *seat;
    engine->closed = 1;
    for (size_t i = 0; i < engine->size; i++) {
        while ((seat = engine->seats[i])) { /* another may take its place */
            seats_remove(engine, (Seat *)Py_NewRef((PyObject *)seat));
            seat_leave(seat);
            Py_DECREF(seat);
        }
    }
    while ((seat = pop_ready(engine)))
        Py_DECREF(seat);
    while ((seat = pop_touched(engine)))
        Py_DECREF(seat);
    Py_CLEAR(engine->gathered);
}

static PyObject *Engine_close(Engine *engine, PyObject *Py_UNUSED(ignored)) {
    engine_empty(engine);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(engine_wake_doc,
             "wake($self, /)\n--\n\nHave flush() called, if somebody has something to send.");

static PyObject *Engine_wake(Engine *engine, PyObject *Py_UNUSED(ignored)) {
    if (engine->ready.first && engine_wake(engine))
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(engine_receive_doc, "receive($self, /)\n--\n\nThere is something to be read.");
PyDoc_STRVAR(engine_flush_doc, "flush($self, /)\n--\n\nSend what may be sent, within bounds.");

static int Engine_init(Engine *engine, PyObject *args, PyObject *Py_UNUSED(keywords)) {
    PyObject *loop, *port, *receiver, *clock, *remote;
    unsigned long long seed;
    int fd, ipv6, dual, wildcard;
    if (engine->port) {
        PyErr_SetString(PyExc_TypeError, "an Engine is made once");
        return -1;
    }
    if (!PyArg_ParseTuple(args, "OOOOipppOK", &loop, &port, &receiver, &clock, &fd, &ipv6, &dual,
                          &wildcard, &remote, &seed))
        return -1;
    engine->fd = fd;
    engine->ipv6 = (char)ipv6;
    engine->dual = (char)dual;
    engine->wildcard = (char)wildcard;
    engine->connected = remote != Py_None;
    engine->gso = 1;
    engine->ttl = -1;
    engine->standstill = Py_HUGE_VAL;
    engine->seed = seed;
    State *state = PyType_GetModuleState(Py_TYPE(engine));
    if (!state)
        return -1;
    engine->lane_type = (PyTypeObject *)Py_NewRef((PyObject *)state->Lane);
    engine->seat_type = (PyTypeObject *)Py_NewRef((PyObject *)state->Seat);
    if (!(engine->call_soon = PyObject_GetAttrString(loop, "call_soon")) ||
        !(engine->received = PyObject_GetAttrString(receiver, "datagrams_received")) ||
        !(engine->flush = PyObject_GetAttrString((PyObject *)engine, "flush")) ||
        !(engine->s_wants_room = PyUnicode_InternFromString("wants_room")) ||
        !(engine->s_scheduled = PyUnicode_InternFromString("scheduled")) ||
        !(engine->s_data_received = PyUnicode_InternFromString("data_received")) ||
        !(engine->s_alarm_at = PyUnicode_InternFromString("alarm_at")) ||
        !(engine->buffer = PyByteArray_FromStringAndSize(NULL, DATAGRAM_MAX)) ||
        !(engine->view = PyMemoryView_FromObject(engine->buffer)))
        return -1;
    engine->data = (unsigned char *)PyByteArray_AS_STRING(engine->buffer);
    engine->port = Py_NewRef(port);
    engine->receiver = Py_NewRef(receiver);
    engine->clock = Py_NewRef(clock);
    engine->remote = Py_NewRef(remote);
    engine->closed = 0;
    return 0;
}

static int Engine_traverse(Engine *engine, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(engine));
    Py_VISIT(engine->port);
    Py_VISIT(engine->receiver);
    Py_VISIT(engine->received);
    Py_VISIT(engine->clock);
    Py_VISIT(engine->call_soon);
    Py_VISIT(engine->flush);
    Py_VISIT(engine->view);
    for (size_t i = 0; i < engine->size; i++)
        Py_VISIT(engine->seats[i]);
    for (Seat *seat = engine->ready.first; seat; seat = seat->next_ready)
        Py_VISIT(seat);
    for (Seat *seat = engine->touched.first; seat; seat = seat->next_touched)
        Py_VISIT(seat);
    Py_VISIT(engine->gathered);
    return 0;
}

static int Engine_clear(Engine *engine) {
    engine_empty(engine);
    Py_CLEAR(engine->port);
    Py_CLEAR(engine->receiver);
    Py_CLEAR(engine->received);
    Py_CLEAR(engine->clock);
    Py_CLEAR(engine->call_soon);
    Py_CLEAR(engine->flush);
    Py_CLEAR(engine->view);
    return 0;
}

static void Engine_dealloc(Engine *engine) {
    PyTypeObject *type = Py_TYPE(engine);
    PyObject_GC_UnTrack(engine);
    Engine_clear(engine);
    Py_CLEAR(engine->remote);
    Py_CLEAR(engine->buffer);
    Py_CLEAR(engine->address);
    Py_CLEAR(engine->local);
    Py_CLEAR(engine->s_wants_room);
    Py_CLEAR(engine->s_scheduled);
    Py_CLEAR(engine->s_alarm_at);
    Py_CLEAR(engine->s_data_received);
    Py_CLEAR(engine->lane_type);
    Py_CLEAR(engine->seat_type);
    PyMem_Free(engine->seats);
    type->tp_free(engine);
    Py_DECREF(type);
}

static PyMethodDef Engine_methods[] = {
    {"receive", (PyCFunction)Engine_receive, METH_NOARGS, engine_receive_doc},
    {"flush", (PyCFunction)Engine_flush, METH_NOARGS, engine_flush_doc},
    {"wake", (PyCFunction)Engine_wake, METH_NOARGS, engine_wake_doc},
    {"enter", (PyCFunction)Engine_enter, METH_VARARGS, engine_enter_doc},
    {"leave", (PyCFunction)Engine_leave, METH_O, engine_leave_doc},
    {"close", (PyCFunction)Engine_close, METH_NOARGS, engine_close_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef Engine_members[] = {
    {"gso", T_BOOL, offsetof(Engine, gso), 0, "Whether batches may be sent."},
    {"blocked", T_BOOL, offsetof(Engine, blocked), 0, "Whether the socket takes nothing for now."},
    {"dscp", T_INT, offsetof(Engine, dscp), 0, "The DSCP that the socket's options say."},
    {"ttl", T_INT, offsetof(Engine, ttl), 0, "Their time to live, -1 for the system's."},
    {"standstill", T_DOUBLE, offsetof(Engine, standstill), 0,
     "Seconds after which an alarm that did not go off was not late."},
    {"octets_read", T_LONGLONG, offsetof(Engine, octets_read), READONLY,
     "Octets that were read for lanes."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(engine_doc,
             "Engine(loop, port, receiver, clock, fd, ipv6, dual, wildcard, remote, seed)\n--\n\n"
             "Reads a UDP socket for the lanes behind it, and sends what they have to send.\n\n"
             "*port*: rudp.udp.linux.LinuxPort, *receiver*: its endpoint, *clock*: the loop's "
             "time;\n*remote*: the address the socket is connected to, or None.");

static PyType_Slot Engine_slots[] = {
    {Py_tp_doc, (void *)engine_doc},       {Py_tp_traverse, Engine_traverse},
    {Py_tp_clear, Engine_clear},           {Py_tp_dealloc, Engine_dealloc},
    {Py_tp_init, Engine_init},             {Py_tp_methods, Engine_methods},
    {Py_tp_members, Engine_members},       {0, NULL},
};

static PyType_Spec Engine_spec = {
    .name = "rudp._lane.Engine",
    .basicsize = sizeof(Engine),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Engine_slots,
};

/* Add the types to *module*. */
static int engine_exec(PyObject *module, State *state) {
    state->Seat = (PyTypeObject *)PyType_FromModuleAndSpec(module, &Seat_spec, NULL);
    if (!state->Seat)
        return -1;
    PyObject *type = PyType_FromModuleAndSpec(module, &Engine_spec, NULL);
    if (!type)
        return -1;
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}
