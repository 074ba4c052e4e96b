/* What was written and is not acknowledged: chunks as they came, or small ones gathered.

   It is what rudp/core/send/sendbuffer.py is; while there is a lane, all of it is here. */

#ifndef RUDP_WRITTEN_H
#define RUDP_WRITTEN_H

#include "_objects.h"

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

#endif
