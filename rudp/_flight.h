/* What is in flight, and the timer of its loss. */

#ifndef RUDP_FLIGHT_H
#define RUDP_FLIGHT_H

#include "_written.h"

static InFlight *
run_at(const Lane *lane, size_t n)
{
    return &lane->runs[(lane->first_run + n) & (lane->run_room - 1)];
}

static InFlight *
new_run(Lane *lane)
{
    InFlight *ring =
        grown(lane->runs, &lane->run_room, lane->first_run, lane->run_count, sizeof(InFlight));
    if (ring == NULL) {
        return NULL;
    }
    if (ring != lane->runs) {
        lane->runs = ring;
        lane->first_run = 0;
    }
    return run_at(lane, lane->run_count++);
}

/* Whether *seg_ack* lies within a segment, which something on the way has cut off. */
static bool
tears(const Lane *lane, int64_t seg_ack)
{
    for (size_t i = 0; i < lane->run_count; i++) {
        const InFlight *run = run_at(lane, i);
        if (seg_ack <= run->end) {
            return seg_ack < run->end && (seg_ack - run->origin) % run->mss != 0;
        }
    }
    return false;
}

/* Let RTO or tail-loss probe run (Flight.loss_deadline, RFC 8985 §7.2, §8). */
static void
set_loss_timer(Lane *lane, double now)
{
    double deadline = lane->rto_from + lane->rto;
    if (lane->probes_tail) {
        double pto = 2 * lane->srtt;
        if (lane->snd_nxt - lane->snd_una <= lane->smss) {
            pto += MAX_ACK_DELAY;
        }
        pto = now + (pto > lane->state->pto_min ? pto : lane->state->pto_min);
        if (pto < deadline) {
            deadline = pto;
        }
    }
    if (!isnan(lane->user_timeout) && !isnan(lane->stalled_since)) {
        double end = lane->stalled_since + lane->user_timeout;
        if (end <= deadline) {
            deadline = end;
        }
    }
    lane->loss = deadline;
    lane->timer_set_at = now;
    lane->timer_was_set = 1;
}

#endif
