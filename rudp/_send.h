/* From the lanes to the socket. */

static void *add_control(struct msghdr *message, size_t *used, int level, int type, size_t size) {
    struct cmsghdr *each = (struct cmsghdr *)((char *)message->msg_control + *used);
    each->cmsg_level = level;
    each->cmsg_type = type;
    each->cmsg_len = CMSG_LEN(size);
    *used += CMSG_SPACE(size);
    return CMSG_DATA(each);
}

static ssize_t engine_sendmsg(Engine *engine, const Seat *to, struct iovec *buffers, int count,
                              Py_ssize_t size, Py_ssize_t total, int dscp, int ecn) {
    static const unsigned char none[16];
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name;
    union {
        char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 3 * CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {NULL, 0, buffers, (size_t)count, &control, 0, 0};
    size_t used = 0;
    memset(&control, 0, sizeof control);
    if (!engine->connected) {
        memset(&name, 0, sizeof name);
        message.msg_name = &name;
        if (engine->ipv6) {
            message.msg_namelen = sizeof name.v6;
            name.v6.sin6_family = AF_INET6;
            name.v6.sin6_port = to->key.port;
            name.v6.sin6_scope_id = to->key.scope;
            memcpy(&name.v6.sin6_addr, to->key.peer, 16);
        } else {
            message.msg_namelen = sizeof name.v4;
            name.v4.sin_family = AF_INET;
            name.v4.sin_port = to->key.port;
            memcpy(&name.v4.sin_addr, to->key.peer, 4);
        }
    }
    if (total > size) {
        uint16_t cut = (uint16_t)size;
        memcpy(add_control(&message, &used, UDP_LEVEL, GSO, sizeof cut), &cut, sizeof cut);
    }
    if (ecn) {
        int octet = dscp << 2 | ecn;
        if (!engine->ipv6 || engine->dual)
            memcpy(add_control(&message, &used, IPPROTO_IP, IP_TOS, sizeof octet), &octet,
                   sizeof octet);
        if (engine->ipv6)
            memcpy(add_control(&message, &used, IPPROTO_IPV6, IPV6_TCLASS, sizeof octet), &octet,
                   sizeof octet);
    }
    if (engine->wildcard && memcmp(to->key.host, none, sizeof none)) {
        if (engine->ipv6) {
            struct in6_pktinfo info = {0};
            memcpy(&info.ipi6_addr, to->key.host, 16);
            memcpy(add_control(&message, &used, IPPROTO_IPV6, IPV6_PKTINFO, sizeof info), &info,
                   sizeof info);
        } else {
            struct in_pktinfo info = {0};
            memcpy(&info.ipi_spec_dst, to->key.host, 4);
            memcpy(add_control(&message, &used, IPPROTO_IP, IP_PKTINFO, sizeof info), &info,
                   sizeof info);
        }
    }
    message.msg_controllen = used;
    if (!used)
        message.msg_control = NULL;
    return sendmsg(engine->fd, &message, MSG_DONTWAIT);
}

/* Send a run, or have Python do it, which knows what to do if it does not go. */
static int engine_send(Engine *engine, Seat *to, struct iovec *buffers, int count, Py_ssize_t size,
                       Py_ssize_t total, int dscp, int ttl, int ecn) {
    if (dscp == engine->dscp && ttl == engine->ttl && !engine->blocked &&
        (total <= size || engine->gso) &&
        engine_sendmsg(engine, to, buffers, count, size, total, dscp, ecn) >= 0)
        return 0;
    PyObject *whole = PyBytes_FromStringAndSize(NULL, total);
    if (!whole)
        return -1;
    put_all((unsigned char *)PyBytes_AS_STRING(whole), buffers, count);
    PyObject *limit = ttl < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(ttl);
    PyObject *result = NULL;
    if (limit)
        result = PyObject_CallMethod(engine->port, "resend", "OOniOi", to->path, whole, size, dscp,
                                     limit, ecn);
    Py_XDECREF(limit);
    Py_DECREF(whole);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Send what is gathered. */
static int engine_part(Engine *engine) {
    Seat *to = engine->gathered;
    if (!to)
        return 0;
    engine->gathered = NULL;
    Py_ssize_t total = engine->datagrams * engine->octets;
    struct iovec buffer = {engine->out, (size_t)total};
    int failed = engine_send(engine, to, &buffer, 1, engine->octets, total, engine->dscp,
                             engine->ttl, engine->ecn);
    Py_DECREF(to);
    return failed;
}

static int engine_emit(Engine *engine, Seat *to, Outgoing *out) {
    const Seat *first = engine->gathered;
    int alone = out->segments > 1 || out->total > COPIED_MAX || !engine->gso ||
                out->dscp != engine->dscp || out->ttl != engine->ttl;
    if (first && (alone || out->total != engine->octets || out->ecn != engine->ecn ||
                  engine->datagrams == GATHERED_MAX ||
                  (engine->datagrams + 1) * engine->octets > RUN_OCTETS_MAX ||
                  memcmp(first->key.peer, to->key.peer, offsetof(Key, ports)) ||
                  first->key.scope != to->key.scope || first->key.port != to->key.port) &&
        engine_part(engine))
        return -1;
    if (alone)
        return engine_send(engine, to, out->buffers, out->count, out->size, out->total, out->dscp,
                           out->ttl, out->ecn);
    if (!engine->gathered) {
        engine->gathered = (Seat *)Py_NewRef((PyObject *)to);
        engine->datagrams = 0;
        engine->octets = out->total;
        engine->ecn = out->ecn;
    }
    put_all(engine->out + engine->datagrams++ * engine->octets, out->buffers, out->count);
    return 0;
}

static int engine_run(Engine *engine, double now) {
    Outgoing out;
    Seat *seat;
    int failed = 0;
    for (int left = RUNS_PER_FLUSH; left && !failed && !engine->blocked && !engine->closed;) {
        if (!(seat = pop_ready(engine)))
            break;
        Lane *lane = seat->lane;
        if (lane) {
            Py_INCREF(lane);
            int found = lane_emit(lane, now, RUN_SEGMENTS, &out);
            if (found > 0) {
                left--;
                failed = engine_emit(engine, seat, &out);
                outgoing_done(&out);
                if (!failed && seat->lane) {
                    int wants = wants_room(engine, seat->connection);
                    if (wants > 0)
                        push_touched(engine, seat);
                    if (wants < 0)
                        failed = -1;
                    else if (lane->more)
                        push_ready(engine, seat);
                    else
                        failed = seat_settle(engine, seat);
                }
            } else if (found < 0)
                failed = -1;
            else if (!lane->steady)
                failed = tell(engine->receiver, "attend", seat->connection);
            else
                failed = seat_settle(engine, seat);
            Py_DECREF(lane);
        }
        Py_DECREF(seat);
    }
    return failed;
}

/* The socket takes nothing, but time goes on for those who have something to send. */
static int engine_rest(Engine *engine) {
    if (tell(engine->receiver, "socket_is_full", NULL))
        return -1;
    for (Seat *seat = engine->ready.first; seat; seat = seat->next_ready)
        if (seat->lane && seat_settle(engine, seat))
            return -1;
    return 0;
}

/* The callback of loop.call_soon(): send what may be sent, within bounds. */
static PyObject *Engine_flush(Engine *engine, PyObject *Py_UNUSED(ignored)) {
    engine->flushing = 0;
    if (engine->closed)
        Py_RETURN_NONE;
    double now;
    int failed = 0;
    Py_INCREF(engine);
    if (engine->touched.first)
        failed = engine_deliver(engine);
    if (!failed && !engine->blocked && engine->ready.first) {
        if (!(failed = engine_time(engine, &now)))
            failed = engine_run(engine, now);
        if (!failed)
            failed = engine_part(engine);
    }
    if (!failed && engine->blocked && !engine->closed)
        failed = engine_rest(engine);
    if (!failed && engine->touched.first)
        failed = engine_deliver(engine);
    if (!failed && engine->ready.first && !engine->blocked)
        failed = engine_wake(engine);
    Py_DECREF(engine);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}
