/* Signatures of segments: what rudp/core/segment/signature.py does, for the lane.

   The hashes are Python's own, hashlib's, through their methods; they have seen what begins all
   messages of one length (Signature.begin), and are copied for each.  So nothing is linked, and
   there is one HMAC.  A hash may let others run, or collect garbage, so what is hashed belongs to
   nobody else: a run that leaves is joined before, and what came lies in the engine's buffer. */

#ifndef RUDP_SIGNED_H
#define RUDP_SIGNED_H

#include "_objects.h"

#define OPTION_KIND 0x1D10 /* its kind, 29, and its size */

/* Octets of the headers of *lane*'s segments. */
static Py_ssize_t
header_of(const Lane *lane)
{
    return lane->guard == NULL ? HEADER : SIGNED;
}

static void
forget_begun(Begun *begun)
{
    Py_CLEAR(begun->signature);
    Py_CLEAR(begun->inner);
    Py_CLEAR(begun->outer);
}

/* Have *begun* be for segments of *octets* octets, *signature*'s. */
static int
begin_hashes(Lane *lane, Begun *begun, PyObject *signature, uint32_t extension, Py_ssize_t octets)
{
    PyObject *both;
    if (begun->signature == signature && begun->extension == extension && begun->octets == octets) {
        return 0;
    }
    both = call(signature, lane->state->s_begin, 2, PyLong_FromUnsignedLong(extension),
                PyLong_FromSsize_t(octets), NULL);
    if (both == NULL) {
        return -1;
    }
    if (!PyTuple_Check(both) || PyTuple_GET_SIZE(both) != 2) {
        PyErr_SetString(PyExc_TypeError, "two hashes are needed");
        Py_DECREF(both);
        return -1;
    }
    Py_XSETREF(begun->signature, Py_NewRef(signature));
    Py_XSETREF(begun->inner, Py_NewRef(PyTuple_GET_ITEM(both, 0)));
    Py_XSETREF(begun->outer, Py_NewRef(PyTuple_GET_ITEM(both, 1)));
    begun->extension = extension;
    begun->octets = octets;
    Py_DECREF(both);
    return 0;
}

/* Return what a copy of *hash* makes of *octets*, which are given away. */
static PyObject *
hashed(Lane *lane, PyObject *hash, PyObject *octets)
{
    State *state = lane->state;
    PyObject *copy = call(hash, state->s_copy, 0, NULL, NULL, NULL), *digest = NULL;
    if (copy == NULL) {
        Py_XDECREF(octets);
        return NULL;
    }
    if (call_only(copy, state->s_update, 1, octets, NULL, NULL) == 0) {
        digest = call(copy, state->s_digest, 0, NULL, NULL, NULL);
    }
    Py_DECREF(copy);
    return digest;
}

/* Write to *mac* that of a segment, whose own place for it and whose checksum are zeros.

   *begun*: hashes that perhaps are for others like it.  *seq*: its number, growing. */
static int
authenticate(Lane *lane, Begun *begun, PyObject *signature, int64_t seq, unsigned char *segment,
             Py_ssize_t octets, unsigned char *mac)
{
    PyObject *digest;
    if (begin_hashes(lane, begun, signature, (uint32_t)(seq >> 32), octets) < 0) {
        return -1;
    }
    digest = hashed(lane, begun->inner,
                    PyMemoryView_FromMemory((char *)segment, octets, PyBUF_READ));
    if (digest != NULL) {
        digest = hashed(lane, begun->outer, digest);
    }
    if (digest == NULL) {
        return -1;
    }
    if (!PyBytes_Check(digest) || PyBytes_GET_SIZE(digest) < MAC) {
        PyErr_SetString(PyExc_TypeError, "a digest is bytes, and longer than a MAC");
        Py_DECREF(digest);
        return -1;
    }
    memcpy(mac, PyBytes_AS_STRING(digest), MAC);
    Py_DECREF(digest);
    return 0;
}

/* What leaves now is signed with the key that is the current one now. */
static int
begin_to_sign(Lane *lane, double now)
{
    PyObject *option, *signer;
    if (lane->guard == NULL) {
        return 0;
    }
    option = call(lane->guard, lane->state->s_option, 1, PyFloat_FromDouble(now), NULL, NULL);
    if (option == NULL) {
        return -1;
    }
    if (!PyBytes_Check(option) || PyBytes_GET_SIZE(option) != sizeof lane->option) {
        PyErr_SetString(PyExc_TypeError, "the option is 16 octets");
        Py_DECREF(option);
        return -1;
    }
    memcpy(lane->option, PyBytes_AS_STRING(option), sizeof lane->option);
    Py_DECREF(option);
    signer = call(lane->guard, lane->state->s_signer, 0, NULL, NULL, NULL);
    if (signer == NULL) {
        return -1;
    }
    Py_XSETREF(lane->signer, signer);
    return 0;
}

/* Join a run, and sign its segments, the first of which is *seq*, and each *mss* octets after the
   one before. */
static int
sign(Lane *lane, Outgoing *out, int64_t seq, int64_t mss)
{
    if (lane->guard == NULL) {
        return 0;
    }
    if (out->joined == NULL) {
        out->joined = PyMem_Malloc((size_t)out->total);
        if (out->joined == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        put_all(out->joined, out->buffers, out->count);
        out->buffers[0].iov_base = out->joined;
        out->buffers[0].iov_len = (size_t)out->total;
        out->count = 1;
    }
    for (Py_ssize_t at = 0; at < out->total; at += out->size, seq += mss) {
        Py_ssize_t octets = (Py_ssize_t)least(out->total - at, out->size);
        Begun *begun = &lane->begun[octets < out->size];
        unsigned char *segment = out->joined + at, mac[MAC];
        if (authenticate(lane, begun, lane->signer, seq, segment, octets, mac) < 0) {
            return -1;
        }
        memcpy(segment + SIGNED - MAC, mac, MAC);
    }
    return 0;
}

/* Whether a segment with a header of SIGNED octets looks like the next one.  A bridge fills in the
   checksum, which is not authenticated. */
static bool
may_be_signed(const Lane *lane, const unsigned char *head)
{
    uint32_t seq = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 | head[7];
    return (head[HEADER] << 8 | head[HEADER + 1]) == OPTION_KIND && !head[16] && !head[17] &&
           seq == (uint32_t)lane->rcv_nxt;
}

/* Whether the segments in *data*, *stride* octets each but for the last, the first of which is
   RCV.NXT, have the right MACs: 1, 0, or -1.  What they say about keys must be nothing new.

   What is to be kept secret is not the MAC that came, but the one that would be right: so they are
   compared in a time that does not tell where they differ. */
static int
is_authentic(Lane *lane, unsigned char *data, Py_ssize_t total, Py_ssize_t stride, double now)
{
    unsigned ids = (unsigned)data[HEADER + 2] << 8 | data[HEADER + 3], differs = 0;
    int64_t seq = lane->rcv_nxt;
    PyObject *checker = call(lane->guard, lane->state->s_checker, 2, PyLong_FromUnsignedLong(ids),
                             PyFloat_FromDouble(now), NULL);
    if (checker == NULL || checker == Py_None) {
        Py_XDECREF(checker);
        return checker == NULL ? -1 : 0;
    }
    for (Py_ssize_t at = 0; at < total; at += stride, seq += stride - SIGNED) {
        Py_ssize_t octets = least(total - at, stride);
        Begun *begun = &lane->begun[2 + (octets < stride || total <= stride)];
        unsigned char *place = data + at + SIGNED - MAC, came[MAC], mac[MAC];
        int failed;
        memcpy(came, place, MAC);
        memset(place, 0, MAC);
        failed = authenticate(lane, begun, checker, seq, data + at, octets, mac);
        memcpy(place, came, MAC); /* whoever else reads it finds it as it was */
        if (failed) {
            Py_DECREF(checker);
            return -1;
        }
        for (int i = 0; i < MAC; i++) {
            differs |= came[i] ^ mac[i];
        }
    }
    Py_DECREF(checker);
    return !differs;
}

#endif
