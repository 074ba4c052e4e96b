/* Python's objects: attributes, calls and numbers, with nothing lost on the way when one fails;
   and octets in the order in which the network has them. */

#ifndef RUDP_OBJECTS_H
#define RUDP_OBJECTS_H

#include "_lane.h"

static int64_t
least(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* Call the method *name* of *self*, which may go away meanwhile, with up to three arguments, which
   are given away; one of them may be NULL with an exception set. */
static PyObject *
call(PyObject *self, PyObject *name, size_t count, PyObject *one, PyObject *two, PyObject *three)
{
    PyObject *args[4] = {self, one, two, three};
    PyObject *result = NULL;
    Py_XINCREF(self);
    if (self == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the lane was never entered");
    }
    else if ((count < 1 || one) && (count < 2 || two) && (count < 3 || three)) {
        result = PyObject_VectorcallMethod(name, args, count + 1, NULL);
    }
    Py_XDECREF(self);
    Py_XDECREF(one);
    Py_XDECREF(two);
    Py_XDECREF(three);
    return result;
}

/* The same, where the result does not matter: 0 or -1. */
static int
call_only(PyObject *self, PyObject *name, size_t count, PyObject *one, PyObject *two,
          PyObject *three)
{
    PyObject *result = call(self, name, count, one, two, three);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* What is beyond all windows is as good as the end of the scale. */
static int
as_number(PyObject *object, long long *number)
{
    int beyond;
    if (object == NULL) {
        return -1;
    }
    *number = PyLong_AsLongLongAndOverflow(object, &beyond);
    if (beyond) {
        *number = beyond < 0 ? INT64_MIN : INT64_MAX;
    }
    Py_DECREF(object);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

static int
as_double(PyObject *object, double *number)
{
    if (object == NULL) {
        return -1;
    }
    *number = PyFloat_AsDouble(object);
    Py_DECREF(object);
    return *number == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
attribute(PyObject *self, PyObject *name)
{
    if (self == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the lane was never entered");
        return NULL;
    }
    return PyObject_GetAttr(self, name);
}

static int
get_number(PyObject *self, PyObject *name, long long *number)
{
    return as_number(attribute(self, name), number);
}

static int
get_double(PyObject *self, PyObject *name, double *number)
{
    return as_double(attribute(self, name), number);
}

/* None becomes a NaN. */
static int
get_double_or_none(PyObject *self, PyObject *name, double *number)
{
    PyObject *found = attribute(self, name);
    if (found == Py_None) {
        Py_DECREF(found);
        *number = Py_NAN;
        return 0;
    }
    return as_double(found, number);
}

/* Set the attribute to *value*, which is given away and may be NULL with an exception set. */
static int
set(PyObject *self, PyObject *name, PyObject *value)
{
    int result = -1;
    if (value != NULL) {
        result = PyObject_SetAttr(self, name, value);
        Py_DECREF(value);
    }
    return result;
}

static PyObject *
double_or_none(double number)
{
    if (isnan(number)) {
        return Py_NewRef(Py_None);
    }
    return PyFloat_FromDouble(number);
}

/* -- octets in order of their numbers, as the network has them ---------------------------------- */

static unsigned char *
put_32(unsigned char *at, uint32_t number)
{
    at[0] = (unsigned char)(number >> 24);
    at[1] = (unsigned char)(number >> 16);
    at[2] = (unsigned char)(number >> 8);
    at[3] = (unsigned char)number;
    return at + 4;
}

/* And as the flight recorder has them. */
static unsigned char *
put_little(unsigned char *at, uint32_t number, int octets)
{
    for (int i = 0; i < octets; i++) {
        *at++ = (unsigned char)(number >> 8 * i);
    }
    return at;
}

/* Copy all that is in *buffers*, one behind the other; return the end of it. */
static unsigned char *
put_all(unsigned char *to, const struct iovec *buffers, int count)
{
    for (int i = 0; i < count; i++) {
        memcpy(to, buffers[i].iov_base, buffers[i].iov_len);
        to += buffers[i].iov_len;
    }
    return to;
}

#endif
