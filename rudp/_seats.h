/* Seats: who is served at a socket, where its segments come from, and who has something to do. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "_lane.h"

/* <linux/udp.h>, <linux/in.h>; libc's headers may lack them. */
enum { UDP_LEVEL = 17, GSO = 103, GRO = 104 };

/* The constants of rudp/udp/linux.py and rudp/aio: they are explained there. */
enum {
    DATAGRAM_MAX = 65535,
    READS_PER_WAKE = 16,
    OCTETS_PER_WAKE = 100 * 1024,
    LONE_MAX = 2048,
    LOOK_AGAIN = 8,
    GATHERED_MAX = 8,
    RUNS_PER_FLUSH = 64,
    READ_OCTETS = 256 * 1024,
    COPIED_MAX = 4096, /* octets of a datagram that is copied beside others, to leave with them */
    PATIENCE = 64,     /* see Seat_write() */
};

enum { ECN_BITS = 3, CE_MARK = 3 };

/* Who sends to whom; all but *scope* in the order of the network. */
typedef struct {
    unsigned char peer[16];
    unsigned char host[16]; /* ours, if the socket has several */
    uint32_t ports;         /* TCP's, as in the header */
    uint32_t scope;
    uint16_t port; /* UDP's, of the peer */
    uint16_t nothing;
} Key;

typedef struct Engine Engine;

/* The place of a connection that has a lane. */
typedef struct Seat {
    PyObject_HEAD
    Engine *engine; /* NULL, as all below, when the lane is over */
    Lane *lane;
    PyObject *connection;
    PyObject *sink;   /* the transport, or NULL */
    PyObject *protocol; /* who takes the data at once, or NULL */
    PyObject *path;   /* of the connection; it stays */
    Key key;
    struct Seat *next_ready, *next_touched; /* lists hold a reference */
    char is_ready, is_touched;
    char answered;  /* a write has left at once since data came, and */
    int patience;   /* so often more data must come before another may */
} Seat;

typedef struct {
    Seat *first, *last;
} Queue;

struct Engine {
    PyObject_HEAD
    int fd;
    char ipv6, dual, wildcard, connected;
    char gso, blocked, closed;
    char alone;    /* the last two wake-ups were for one connection */
    char flushing; /* flush() is going to be called */
    int lone;      /* wake-ups in a row that found one datagram */
    int dscp, ttl; /* what the socket's options say; -1: the system's TTL */
    double standstill; /* an alarm that is later than this was not late */
    long long octets_read;
    PyObject *port, *receiver, *received, *clock, *call_soon, *flush;
    PyObject *remote; /* of a connected socket */
    PyObject *buffer, *view;
    unsigned char *data;
    PyObject *s_wants_room, *s_scheduled, *s_alarm_at, *s_data_received;
    PyTypeObject *seat_type, *lane_type;

    Seat **seats; /* by key, open addressing; its size is a power of two */
    size_t size, used;
    uint64_t seed;

    const Seat *latest; /* whom alone the last wake-up was for: to compare with, perhaps gone */

    Queue ready;   /* may have something to send */
    Queue touched; /* may have something for the user */
    int touches;

    /* The latest sender that Python was told of. */
    Key named;
    PyObject *address, *local;

    /* Datagrams of one size that may leave together. */
    Seat *gathered; /* the first one's; NULL for none */
    int datagrams, ecn;
    Py_ssize_t octets; /* of one */
    unsigned char out[GATHERED_MAX * COPIED_MAX];
};

static inline uint32_t get32(const unsigned char *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return ntohl(value);
}

static inline uint64_t get64(const unsigned char *at) {
    return (uint64_t)get32(at) << 32 | get32(at + 4);
}

/* Call a method of *object* with *argument*, or none, for what it does: 0, or -1. */
static int tell(PyObject *object, const char *name, PyObject *argument) {
    PyObject *result = argument ? PyObject_CallMethod(object, name, "(O)", argument)
                                : PyObject_CallMethod(object, name, NULL);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Return the exception that was raised, which is raised no more. */
static PyObject *take_error(void) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback)
        PyException_SetTraceback(error, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return error;
#endif
}

static int engine_time(Engine *engine, double *now) {
    PyObject *time = PyObject_CallNoArgs(engine->clock);
    if (!time)
        return -1;
    *now = PyFloat_AsDouble(time);
    Py_DECREF(time);
    return *now == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* -- who is where -------------------------------------------------------------------------- */

static size_t key_slot(const Engine *engine, const Key *key) {
    uint64_t hash = engine->seed, word;
    const unsigned char *at = (const unsigned char *)key;
    for (size_t i = 0; i + 8 <= sizeof *key; i += 8) {
        memcpy(&word, at + i, 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    memcpy(&word, at + sizeof *key - 8, 8);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return (size_t)(hash ^ hash >> 32) & (engine->size - 1);
}

static Seat *seat_find(const Engine *engine, const Key *key) {
    if (!engine->used)
        return NULL;
    for (size_t i = key_slot(engine, key);; i = (i + 1) & (engine->size - 1)) {
        Seat *seat = engine->seats[i];
        if (!seat || !memcmp(&seat->key, key, sizeof *key))
            return seat;
    }
}

static int seats_grow(Engine *engine) {
    size_t old = engine->size;
    Seat **before = engine->seats;
    size_t size = old ? 2 * old : 8;
    Seat **after = PyMem_Calloc(size, sizeof *after);
    if (!after) {
        PyErr_NoMemory();
        return -1;
    }
    engine->seats = after;
    engine->size = size;
    for (size_t i = 0; i < old; i++) {
        if (before[i]) {
            size_t at = key_slot(engine, &before[i]->key);
            while (after[at])
                at = (at + 1) & (size - 1);
            after[at] = before[i];
        }
    }
    PyMem_Free(before);
    return 0;
}

/* Keep *seat*, and a reference to it. */
static int seats_add(Engine *engine, Seat *seat) {
    if (2 * (engine->used + 1) > engine->size && seats_grow(engine))
        return -1;
    size_t at = key_slot(engine, &seat->key);
    while (engine->seats[at])
        at = (at + 1) & (engine->size - 1);
    engine->seats[at] = (Seat *)Py_NewRef((PyObject *)seat);
    engine->used++;
    return 0;
}

static void seats_remove(Engine *engine, Seat *seat) {
    size_t mask = engine->size - 1, at = key_slot(engine, &seat->key);
    while (engine->seats[at] != seat) {
        if (!engine->seats[at])
            return;
        at = (at + 1) & mask;
    }
    for (size_t next = (at + 1) & mask; engine->seats[next]; next = (next + 1) & mask) {
        size_t home = key_slot(engine, &engine->seats[next]->key);
        if (((next - home) & mask) >= ((next - at) & mask)) { /* it may stand there as well */
            engine->seats[at] = engine->seats[next];
            at = next;
        }
    }
    engine->seats[at] = NULL;
    engine->used--;
    Py_DECREF(seat);
}

static void push_ready(Engine *engine, Seat *seat) {
    if (seat->is_ready)
        return;
    seat->is_ready = 1;
    seat->next_ready = NULL;
    Py_INCREF(seat);
    if (engine->ready.last)
        engine->ready.last->next_ready = seat;
    else
        engine->ready.first = seat;
    engine->ready.last = seat;
}

static Seat *pop_ready(Engine *engine) {
    Seat *seat = engine->ready.first;
    if (seat) {
        engine->ready.first = seat->next_ready;
        if (!engine->ready.first)
            engine->ready.last = NULL;
        seat->is_ready = 0;
    }
    return seat;
}

static void push_touched(Engine *engine, Seat *seat) {
    if (seat->is_touched)
        return;
    seat->is_touched = 1;
    seat->next_touched = NULL;
    Py_INCREF(seat);
    if (engine->touched.last)
        engine->touched.last->next_touched = seat;
    else
        engine->touched.first = seat;
    engine->touched.last = seat;
    engine->touches++;
}

static Seat *pop_touched(Engine *engine) {
    Seat *seat = engine->touched.first;
    if (seat) {
        engine->touched.first = seat->next_touched;
        if (!engine->touched.first)
            engine->touched.last = NULL;
        seat->is_touched = 0;
        engine->touches--;
    }
    return seat;
}

/* Have flush() called once before the loop waits again. */
static int engine_wake(Engine *engine) {
    if (engine->flushing || engine->closed)
        return 0;
    PyObject *handle = PyObject_CallOneArg(engine->call_soon, engine->flush);
    if (!handle) {
        if (!PyErr_ExceptionMatches(PyExc_RuntimeError))
            return -1;
        PyErr_Clear(); /* the loop is closed, and what is left of us with it */
        return 0;
    }
    Py_DECREF(handle);
    engine->flushing = 1;
    return 0;
}
