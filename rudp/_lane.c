/* The lane in C: what a connection that runs well does all day.

   rudp/core/life/lane.py says what is done here and why, and is the specification: whatever this
   module does, that one does too, with the same numbers to the last bit.  Both are held against the
   RFC's code by the same tests.  What is rare is asked of the same Python objects as there.

   _lane.h has the numbers, _take.h what is done with what comes, _emit.h what goes, _written.h and
   _flight.h the octets that were written and sent, _signed.h signatures, _window.h and _rooms.h what is asked of the
   other rooms, _type.h the methods and attributes, and this file the module.  Where there is Linux,
   _engine.h serves lanes at the socket. */

#include "_lane.h"
#include "_type.h"

/* Numbers that Python's code knows too; that they are the same is looked at once. */
static const struct {
    const char *module, *name;
    double value;
} SHARED[] = {
    {"rudp.core.life.signedlane", "HEADER", SIGNED},
    {"rudp.core.segment.mac", "MAC_SIZE", MAC},
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
    {"rudp.core.terms.bounds", "WINDOW_MAX", WINDOW_MAX},
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
    IMPORT(why_update, "rudp.core.terms.why", "Why", "WINDOW_UPDATE")
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
