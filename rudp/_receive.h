/* From the socket to the lanes, and from the lanes to the protocols. */

/* Return the end of the run that begins with the datagram at *at*: see wire.read_runs(). */
static Py_ssize_t run_end(const unsigned char *data, Py_ssize_t at, Py_ssize_t end,
                          Py_ssize_t stride, Py_ssize_t header, int *segments, int *pushed) {
    size_t alike = (size_t)(header == SIGNED ? SIGNED - MAC : header) - 14;
    const unsigned char *first = data + at;
    Py_ssize_t size = end - at < stride ? end - at : stride;
    uint32_t room = (uint32_t)(size - header), seq = get32(first + 4);
    *segments = 1;
    *pushed = 0;
    at += size;
    if (!room || (first[13] & ~FLAGS_ECN) != FLAG_ACK)
        return at;
    while (*segments < RUN_SEGMENTS && end - at > header) {
        const unsigned char *next = data + at;
        if (get32(next + 4) != (seq += room) || (next[13] & ~FLAG_PSH) != first[13] ||
            memcmp(next + 14, first + 14, alike) || memcmp(next + 8, first + 8, 5) ||
            memcmp(next, first, 4))
            break;
        size = end - at < stride ? end - at : stride;
        at += size;
        ++*segments;
        *pushed = next[13] & FLAG_PSH;
        if (*pushed || size < stride)
            break;
    }
    return at;
}

/* Return the address of *from* as the socket module has it. */
static PyObject *address_of(const Engine *engine, const Key *from) {
    char name[INET6_ADDRSTRLEN];
    if (!inet_ntop(engine->ipv6 ? AF_INET6 : AF_INET, from->peer, name, sizeof name))
        return PyErr_SetFromErrno(PyExc_OSError);
    if (engine->ipv6)
        return Py_BuildValue("(siiI)", name, (int)ntohs(from->port), 0, from->scope);
    return Py_BuildValue("(si)", name, (int)ntohs(from->port));
}

static PyObject *host_of(const Engine *engine, const Key *from) {
    static const unsigned char none[16];
    char name[INET6_ADDRSTRLEN];
    if (!memcmp(from->host, none, sizeof none))
        return PyUnicode_FromString("");
    if (!inet_ntop(engine->ipv6 ? AF_INET6 : AF_INET, from->host, name, sizeof name))
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyUnicode_FromString(name);
}

/* Let Python know *from* by its names, the same objects as long as it is the same. */
static int engine_name(Engine *engine, const Key *from) {
    if (engine->address && !memcmp(&engine->named, from, sizeof *from))
        return 0;
    PyObject *address = engine->connected ? Py_NewRef(engine->remote) : address_of(engine, from);
    PyObject *local = address ? host_of(engine, from) : NULL;
    if (!local) {
        Py_XDECREF(address);
        return -1;
    }
    engine->named = *from;
    Py_XSETREF(engine->address, address);
    Py_XSETREF(engine->local, local);
    return 0;
}

/* Let Python have the datagrams in [start, end); 1 if it has work for several connections. */
static int engine_pass(Engine *engine, Py_ssize_t start, Py_ssize_t end, Py_ssize_t stride,
                       const Key *from, int ecn) {
    int crowded = -1;
    PyObject *view = NULL, *step = NULL, *mark = NULL, *result = NULL;
    if (engine_name(engine, from))
        return -1;
    PyObject *address = Py_NewRef(engine->address), *local = Py_NewRef(engine->local);
    PyObject *view_of = Py_NewRef(engine->view);
    if (!(view = PySequence_GetSlice(view_of, start, end)) ||
        !(step = PyLong_FromSsize_t(stride)) || !(mark = PyLong_FromLong(ecn)))
        goto done;
    PyObject *arguments[] = {view, step, address, local, mark};
    result = PyObject_Vectorcall(engine->received, arguments, 5, NULL);
    if (result)
        crowded = PyObject_IsTrue(result);
done:
    Py_XDECREF(result);
    Py_XDECREF(mark);
    Py_XDECREF(step);
    Py_XDECREF(view);
    Py_DECREF(view_of);
    Py_DECREF(local);
    Py_DECREF(address);
    return crowded;
}

/* Whether *seat*'s peer has signed what is expected of it: 1, 0, or -1.  What keys change with, and
   what is not authentic, is Python's. */
static int seat_believes(Seat *seat, unsigned char *data, Py_ssize_t total, Py_ssize_t stride,
                         uint64_t word, Py_ssize_t length, double now) {
    Lane *lane = (Lane *)Py_NewRef((PyObject *)seat->lane);
    int authentic = is_authentic(lane, data, total, stride, now);
    if (authentic > 0 && seat->lane == lane && length) { /* Connection.heed() */
        int more = !(word >> 16 & (FLAG_PSH | FLAG_FIN));
        if (call_only(seat->connection, lane->state->s_note_data, 2, PyBool_FromLong(more),
                      PyFloat_FromDouble(now), NULL))
            authentic = -1;
    }
    if (authentic > 0 && seat->lane != lane)
        authentic = 0;
    Py_DECREF(lane);
    return authentic;
}

/* Let the lanes have what is theirs of one read, and Python the rest.

   Return 1 if Python has got some, 3 if it has work for several connections, 0, or -1. */
static int engine_share(Engine *engine, Py_ssize_t size, Py_ssize_t stride, Key *from, int ecn) {
    unsigned char *data = engine->data;
    Py_ssize_t at = 0, rest = 0; /* from *rest* on it is Python's */
    int passed = 0, crowded;
    double now = -1.0;
    while (at < size && engine->used && ecn != CE_MARK && !engine->closed) {
        unsigned char *head = data + at;
        Py_ssize_t end = size - at < stride ? size : at + stride, header = head[12] >> 4 << 2;
        Seat *seat = NULL;
        if (end - at >= HEADER && end - at >= header && get32(head + 20) == TIMESTAMPS_ALONE) {
            memcpy(&from->ports, head, 4);
            seat = seat_find(engine, from);
        }
        if (!seat || !seat->lane || header != header_of(seat->lane) ||
            !is_expected_ecn(seat->lane, end - at, ecn) ||
            (header == SIGNED && !may_be_signed(seat->lane, head))) {
            at = end;
            continue;
        }
        if (rest < at) { /* in the order in which it came */
            uint32_t ports = from->ports;
            from->ports = 0;
            if ((crowded = engine_pass(engine, rest, at, stride, from, ecn)) < 0)
                return -1;
            passed |= 1 | crowded << 1;
            rest = at;
            from->ports = ports;
            if (engine->closed || seat_find(engine, from) != seat)
                continue;
        }
        if (now < 0.0) {
            if (engine_time(engine, &now))
                return -1;
            double alarm_at;
            if (get_double(engine->receiver, engine->s_alarm_at, &alarm_at))
                return -1;
            if (now - alarm_at > engine->standstill) {
                PyObject *time = PyFloat_FromDouble(now);
                int failed = !time || tell(engine->receiver, "note_standstill", time);
                Py_XDECREF(time);
                if (failed)
                    return -1;
                continue; /* that may have ended lanes */
            }
        }
        int segments, pushed;
        end = run_end(data, at, size, stride, header, &segments, &pushed);
        uint64_t word = get64(head + 8) | (uint64_t)pushed << 16;
        Py_ssize_t room = (end - at < stride ? end - at : stride) - header;
        Py_ssize_t length = end - at - segments * header;
        Py_INCREF(seat);
        int taken = header == SIGNED
                        ? seat_believes(seat, head, end - at, stride, word, length, now)
                        : 1;
        if (taken > 0)
            taken = lane_take(seat->lane, get32(head + 4), word, get32(head + 24),
                              get32(head + 28), length, segments, room, head, stride, header, now);
        at = end;
        if (taken > 0) {
            rest = end;
            push_touched(engine, seat);
            seat->answered = 0;
            seat->patience -= seat->patience > 0;
            if (seat->lane && !seat->lane->steady)
                taken = tell(seat->connection, "end_lane", NULL);
        }
        Py_DECREF(seat);
        if (taken < 0)
            return -1;
    }
    from->ports = 0;
    if (rest < size || !size) {
        if ((crowded = engine_pass(engine, rest, size, stride, from, ecn)) < 0)
            return -1;
        passed |= 1 | crowded << 1;
    }
    engine->octets_read += rest; /* Python counts the others */
    return passed;
}

/* Call the transport's, as it may have to tell more than data. */
static int seat_pump(Engine *engine, Seat *seat, PyObject *connection) {
    if (!seat->sink)
        return tell(engine->receiver, "attend", connection);
    PyObject *sink = Py_NewRef(seat->sink);
    int failed = tell(sink, "pump", NULL);
    Py_DECREF(sink);
    if (failed)
        return -1;
    if (seat->lane)
        push_ready(engine, seat);
    else
        return tell(engine->receiver, "attend", connection);
    return 0;
}

/* There is nothing to send for now: see to it that the lane is asked again in time. */
static int seat_settle(Engine *engine, Seat *seat) {
    double at;
    if (get_double(seat->connection, engine->s_scheduled, &at))
        return -1;
    return lane_deadline(seat->lane) < at ? tell(engine->receiver, "schedule", seat->connection)
                                          : 0;
}

/* Whether there may be something to send. */
static inline int has_something(const Lane *lane) {
    return lane->ack_due == ACK_NOW || lane->end != lane->snd_nxt ||
           lane->train.seq < lane->train.right;
}

/* Hand data over without a detour. */
static int seat_read(Engine *engine, Seat *seat) {
    while (seat->lane && seat->protocol && seat->lane->ready_octets) {
        PyObject *data = lane_read(seat->lane);
        if (!data)
            return -1;
        PyObject *protocol = Py_NewRef(seat->protocol), *sink = Py_XNewRef(seat->sink);
        PyObject *result = PyObject_CallMethodOneArg(protocol, engine->s_data_received, data);
        Py_DECREF(data);
        Py_DECREF(protocol);
        int failed = !result;
        Py_XDECREF(result);
        if (failed && sink && !PyErr_ExceptionMatches(PyExc_SystemExit) &&
            !PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
            PyObject *error = take_error();
            failed = tell(sink, "protocol_failed", error);
            Py_DECREF(error);
        }
        Py_XDECREF(sink);
        if (failed)
            return -1;
    }
    if (!seat->lane)
        return 0;
    if (has_something(seat->lane)) {
        push_ready(engine, seat);
        return 0;
    }
    return seat_settle(engine, seat);
}

/* Whether the user of *connection* is to be told each time octets have left; -1 for an error. */
static int wants_room(const Engine *engine, PyObject *connection) {
    PyObject *value = PyObject_GetAttr(connection, engine->s_wants_room);
    int wants = value ? PyObject_IsTrue(value) : -1;
    Py_XDECREF(value);
    return wants;
}

/* Tell the users of the lanes what has happened. */
static int engine_deliver(Engine *engine) {
    Seat *seat;
    int failed = 0;
    while (!failed && (seat = pop_touched(engine))) {
        Lane *lane = seat->lane;
        if (lane) {
            PyObject *connection = Py_NewRef(seat->connection);
            int plain = seat->protocol && !(lane->events & ~(READABLE | WRITABLE)) &&
                        lane->ready_octets <= READ_OCTETS;
            int wants = lane->events & WRITABLE ? wants_room(engine, connection) : 0;
            if (wants < 0)
                failed = -1;
            else if (plain && !wants) {
                lane->events = 0;
                failed = seat_read(engine, seat);
            } else
                failed = seat_pump(engine, seat, connection);
            Py_DECREF(connection);
        }
        Py_DECREF(seat);
    }
    if (engine->ready.first && engine_wake(engine))
        return -1;
    return failed;
}

static const unsigned char *local_host(const struct cmsghdr *message) {
    if (message->cmsg_level == IPPROTO_IP && message->cmsg_type == IP_PKTINFO) {
        const struct in_pktinfo *info = (const struct in_pktinfo *)CMSG_DATA(message);
        return (const unsigned char *)(info->ipi_spec_dst.s_addr ? &info->ipi_spec_dst
                                                                 : &info->ipi_addr);
    }
    if (message->cmsg_level == IPPROTO_IPV6 && message->cmsg_type == IPV6_PKTINFO)
        return (const unsigned char *)CMSG_DATA(message);
    return NULL;
}

/* Read one batch; its octets, or -1 and errno. */
static ssize_t engine_recv(Engine *engine, Key *from, Py_ssize_t *stride, int *ecn, int *flags) {
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name;
    union {
        char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) +
                  4 * CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec whole = {engine->data, DATAGRAM_MAX};
    struct msghdr message = {&name, sizeof name, &whole, 1, &control, sizeof control, 0};
    ssize_t size = recvmsg(engine->fd, &message, MSG_DONTWAIT);
    if (size < 0)
        return size;
    memset(from, 0, sizeof *from);
    *flags = message.msg_flags;
    *stride = size;
    *ecn = 0;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
        int value;
        if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_TOS)
            *ecn = *(unsigned char *)CMSG_DATA(each) & ECN_BITS;
        else if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_TCLASS) {
            memcpy(&value, CMSG_DATA(each), sizeof value);
            *ecn = value & ECN_BITS;
        } else if (each->cmsg_level == UDP_LEVEL && each->cmsg_type == GRO) {
            memcpy(&value, CMSG_DATA(each), sizeof value);
            if (value > 0)
                *stride = value;
        } else if (engine->wildcard) {
            const unsigned char *host = local_host(each);
            if (host)
                memcpy(from->host, host, each->cmsg_level == IPPROTO_IPV6 ? 16 : 4);
        }
    }
    if (engine->connected)
        return size;
    if (engine->ipv6) {
        memcpy(from->peer, &name.v6.sin6_addr, 16);
        from->port = name.v6.sin6_port;
        from->scope = name.v6.sin6_scope_id;
    } else {
        memcpy(from->peer, &name.v4.sin_addr, 4);
        from->port = name.v4.sin_port;
    }
    return size;
}

static int engine_read(Engine *engine) {
    Py_ssize_t taken = 0;
    int deaf = 1, passed = 0, failed = 0, lone = engine->lone;
    for (int count = 0; count < READS_PER_WAKE && !engine->closed; count++) {
        Key from;
        Py_ssize_t stride;
        int ecn, flags;
        ssize_t size = engine_recv(engine, &from, &stride, &ecn, &flags);
        if (size < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
                break;
            if ((failed = tell(engine->port, "read_errors", NULL)))
                break;
            continue;
        }
        deaf = 0;
        if (flags & MSG_TRUNC)
            continue; /* M-20 */
        int got = engine_share(engine, size, stride, &from, ecn);
        if (got < 0) {
            failed = -1;
            break;
        }
        passed |= got & 1;
        taken += size;
        if (count || size > stride || size > LONE_MAX)
            engine->lone = 0;
        else {
            engine->lone = lone + 1;
            if (lone % LOOK_AGAIN)
                break;
        }
        int crowded = got & 2 || engine->touches + passed > 1;
        if (taken >= OCTETS_PER_WAKE || (crowded && count))
            break;
    }
    const Seat *only = engine->touches == 1 && !passed ? engine->touched.first : NULL;
    engine->alone = only && only == engine->latest;
    engine->latest = only;
    if (!failed && deaf && !engine->closed)
        failed = tell(engine->port, "read_errors", NULL);
    if (!failed && (passed || deaf))
        failed = tell(engine->receiver, "batch_received", NULL);
    return failed;
}

/* The callback of loop.add_reader(). */
static PyObject *Engine_receive(Engine *engine, PyObject *Py_UNUSED(ignored)) {
    if (engine->closed)
        Py_RETURN_NONE;
    Py_INCREF(engine);
    int failed = engine_read(engine);
    if (failed) { /* the others are served in the next turn */
        PyObject *error = take_error();
        if (engine_wake(engine))
            PyErr_Clear();
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    } else
        failed = engine_deliver(engine);
    Py_DECREF(engine);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}
