/* All that runs in the virtual machine: the first process, worked by commands on a serial port.
 *
 * It loads the modules /0, /1, ... of the initramfs, brings eth0 up and says "0 {...}".  Then each
 * line in is "TAG SLOT COMMAND ARGUMENTS...", each line out "TAG RESULT", the result as JSON: an
 * object, or {"error": errno, "text": ...}.  A slot holds a socket and perhaps a listener.  No
 * command waits for another one: the tags, numbers above 0, tell the answers apart.  The commands are those of tests/interop/peer.py, and
 *
 *     fresh                                   forget what the slot holds, closing nothing in order
 *     keepalive                               probe after a second of silence
 *     key ADDRESS ALGORITHM MACLEN SNDID RCVID SECRET FLAGS
 *                                             TCP_AO_ADD_KEY; of FLAGS 1 sets Current_key, 2 RNext
 *     use CURRENT RNEXT                       TCP_AO_INFO: change both; -1 leaves one alone
 *     ao                                      TCP_AO_INFO: both, and what was counted
 *     sysctl NAME VALUE                       with / between the parts of the name
 *
 * Parameters come from the kernel's command line, as variables of the environment: address,
 * netmask, mtu, and deadline, the seconds after which the machine ends whatever happens.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#define SLOTS 256
#define WORDS 11      /* of a command, at most */
#define TEXT 512      /* octets of a result, at most */
#define CHUNK 65536   /* octets that one call sends or receives; a multiple of 4 */
#define TIMEOUT 60    /* seconds that a call waits */

/* ---- the octets of random.Random(seed).randbytes(n): MT19937, its words in little endian ---- */

enum { N = 624, M = 397 };

struct octets {
    uint32_t state[N];
    int used;
};

static void octets_from(struct octets *self, uint32_t seed)
{
    uint32_t *mt = self->state;
    mt[0] = 19650218;
    for (int i = 1; i < N; i++)
        mt[i] = 1812433253U * (mt[i - 1] ^ mt[i - 1] >> 30) + i;
    int i = 1;
    for (int left = 2 * N - 1; left; left--) { /* N rounds with the seed, N - 1 without */
        uint32_t mixed = mt[i - 1] ^ mt[i - 1] >> 30;
        if (left >= N)
            mt[i] = (mt[i] ^ mixed * 1664525U) + seed;
        else
            mt[i] = (mt[i] ^ mixed * 1566083941U) - i;
        if (++i == N) {
            mt[0] = mt[N - 1];
            i = 1;
        }
    }
    mt[0] = 0x80000000U;
    self->used = N;
}

static uint32_t octets_word(struct octets *self)
{
    uint32_t *mt = self->state;
    if (self->used == N) {
        for (int i = 0; i < N; i++) {
            uint32_t y = (mt[i] & 0x80000000U) | (mt[(i + 1) % N] & 0x7fffffffU);
            mt[i] = mt[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfU : 0);
        }
        self->used = 0;
    }
    uint32_t y = mt[self->used++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680U;
    y ^= y << 15 & 0xefc60000U;
    return y ^ y >> 18;
}

static void octets_fill(struct octets *self, uint8_t *to, size_t size)
{
    for (; size >= 4; size -= 4, to += 4) {
        uint32_t word = octets_word(self);
        memcpy(to, &word, 4);
    }
    if (size) {
        uint32_t word = octets_word(self) >> (32 - 8 * size);
        memcpy(to, &word, size);
    }
}

/* ---- SHA-256 (FIPS 180-4) ---- */

struct digest {
    uint32_t state[8];
    uint64_t size;
    uint8_t block[64];
};

static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotated(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static void digest_block(struct digest *self)
{
    uint32_t w[64], s[8];
    for (int t = 0; t < 16; t++) {
        memcpy(&w[t], self->block + 4 * t, 4);
        w[t] = ntohl(w[t]);
    }
    for (int t = 16; t < 64; t++) {
        uint32_t a = w[t - 15], b = w[t - 2];
        w[t] = w[t - 16] + w[t - 7] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) +
               (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
    }
    memcpy(s, self->state, sizeof s);
    for (int t = 0; t < 64; t++) {
        uint32_t one = s[7] + (rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25)) +
                       ((s[4] & s[5]) ^ (~s[4] & s[6])) + ROUND[t] + w[t];
        uint32_t two = (rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22)) +
                       ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        self->state[i] += s[i];
}

static void digest_start(struct digest *self)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(self->state, start, sizeof start);
    self->size = 0;
}

static void digest_add(struct digest *self, const uint8_t *data, size_t size)
{
    while (size) {
        size_t at = self->size % 64, now = 64 - at < size ? 64 - at : size;
        memcpy(self->block + at, data, now);
        self->size += now;
        data += now;
        size -= now;
        if (at + now == 64)
            digest_block(self);
    }
}

static void digest_text(struct digest *self, char *text)
{
    uint64_t bits = self->size * 8;
    digest_add(self, (const uint8_t *)"\x80", 1);
    while (self->size % 64 != 56)
        digest_add(self, (const uint8_t *)"", 1);
    uint32_t length[2] = {htonl(bits >> 32), htonl((uint32_t)bits)};
    digest_add(self, (const uint8_t *)length, 8);
    for (int i = 0; i < 8; i++)
        sprintf(text + 8 * i, "%08x", self->state[i]);
}

/* ---- the commands: each returns 0 with the result in text, or -1 with errno ---- */

struct slot {
    int sock, listener; /* -1: none */
};

static struct slot slots[SLOTS];

static int made(struct slot *slot)
{
    if (slot->sock < 0) {
        struct timeval wait = {TIMEOUT, 0};
        slot->sock = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(slot->sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        setsockopt(slot->sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    }
    return slot->sock;
}

static int told(const struct sockaddr_in *address, char *text)
{
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
    sprintf(text, "{\"host\": \"%s\", \"port\": %d}", host, ntohs(address->sin_port));
    return 0;
}

static int do_listen(struct slot *slot, char **arguments, char *text)
{
    (void)arguments;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    slot->listener = made(slot);
    slot->sock = -1;
    if (bind(slot->listener, (struct sockaddr *)&address, size) || listen(slot->listener, 16) ||
        getsockname(slot->listener, (struct sockaddr *)&address, &size))
        return -1;
    return told(&address, text);
}

static int do_accept(struct slot *slot, char **arguments, char *text)
{
    (void)arguments;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    slot->sock = accept(slot->listener, (struct sockaddr *)&address, &size);
    if (slot->sock < 0)
        return -1;
    struct timeval wait = {TIMEOUT, 0};
    setsockopt(slot->sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(slot->sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    return told(&address, text);
}

static int do_connect(struct slot *slot, char **arguments, char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    socklen_t size = sizeof address;
    inet_pton(AF_INET, arguments[0], &address.sin_addr);
    if (connect(made(slot), (struct sockaddr *)&address, size) ||
        getsockname(slot->sock, (struct sockaddr *)&address, &size))
        return -1;
    return told(&address, text);
}

static int do_send(struct slot *slot, char **arguments, char *text)
{
    struct octets octets;
    struct digest digest;
    static const char name[] = "{\"sha256\": \"";
    uint8_t data[CHUNK];
    octets_from(&octets, strtoul(arguments[1], NULL, 10));
    digest_start(&digest);
    for (size_t left = strtoul(arguments[0], NULL, 10), size; left; left -= size) {
        size = left < CHUNK ? left : CHUNK;
        octets_fill(&octets, data, size);
        digest_add(&digest, data, size);
        for (size_t done = 0; done < size;) {
            ssize_t sent = send(slot->sock, data + done, size - done, MSG_NOSIGNAL);
            if (sent < 0)
                return -1;
            done += sent;
        }
    }
    strcpy(text, name);
    digest_text(&digest, text + sizeof name - 1);
    strcat(text, "\"}");
    return 0;
}

static int do_receive(struct slot *slot, char **arguments, char *text)
{
    struct digest digest;
    uint8_t data[CHUNK];
    uint64_t total = 0, wanted = arguments[0] ? strtoull(arguments[0], NULL, 10) : UINT64_MAX;
    digest_start(&digest);
    while (total < wanted) {
        uint64_t left = wanted - total;
        ssize_t got = recv(slot->sock, data, left < CHUNK ? left : CHUNK, 0);
        if (got < 0)
            return -1;
        if (!got)
            break;
        digest_add(&digest, data, got);
        total += got;
    }
    int at = sprintf(text, "{\"octets\": %llu, \"sha256\": \"", (unsigned long long)total);
    digest_text(&digest, text + at);
    strcat(text, "\"}");
    return 0;
}

struct upload {
    struct slot *slot;
    char **arguments;
    int error;
};

static void *upload(void *argument)
{
    struct upload *self = argument;
    char text[TEXT];
    if (do_send(self->slot, self->arguments, text) || shutdown(self->slot->sock, SHUT_WR))
        self->error = errno;
    return NULL;
}

static int do_exchange(struct slot *slot, char **arguments, char *text)
{
    struct upload sending = {slot, arguments, 0};
    char *none[WORDS] = {NULL};
    pthread_t thread;
    pthread_create(&thread, NULL, upload, &sending);
    int result = do_receive(slot, none, text), error = errno;
    pthread_join(thread, NULL);
    errno = sending.error ? sending.error : error;
    return sending.error ? -1 : result;
}

static int do_echo(struct slot *slot, char **arguments, char *text)
{
    (void)arguments;
    uint8_t data[CHUNK];
    unsigned long total = 0;
    ssize_t got;
    while ((got = recv(slot->sock, data, CHUNK, 0)) > 0) {
        for (ssize_t done = 0, sent; done < got; done += sent)
            if ((sent = send(slot->sock, data + done, got - done, MSG_NOSIGNAL)) < 0)
                return -1;
        total += got;
    }
    sprintf(text, "{\"octets\": %lu}", total);
    return got;
}

static int do_shutdown(struct slot *slot, char **arguments, char *text)
{
    (void)arguments, (void)text;
    return shutdown(slot->sock, SHUT_WR);
}

static int do_info(struct slot *slot, char **arguments, char *text)
{
    (void)arguments;
    struct { /* of struct tcp_info, whose end this system's headers may not know */
        struct tcp_info known;
        uint8_t later[512 - sizeof(struct tcp_info)];
    } info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(slot->sock, IPPROTO_TCP, TCP_INFO, &info, &size))
        return -1;
#define YES(bit) (info.known.tcpi_options & (bit) ? "true" : "false")
    sprintf(text,
            "{\"timestamps\": %s, \"sack\": %s, \"window_scaling\": %s, \"ecn\": %s, "
            "\"ecn_seen\": %s, \"snd_wscale\": %d, \"rcv_wscale\": %d, \"snd_mss\": %u, "
            "\"rcv_mss\": %u, \"total_retrans\": %u, \"delivered_ce\": %u}",
            YES(TCPI_OPT_TIMESTAMPS), YES(TCPI_OPT_SACK), YES(TCPI_OPT_WSCALE), YES(TCPI_OPT_ECN),
            YES(TCPI_OPT_ECN_SEEN), info.known.tcpi_snd_wscale, info.known.tcpi_rcv_wscale,
            info.known.tcpi_snd_mss, info.known.tcpi_rcv_mss, info.known.tcpi_total_retrans,
            info.known.tcpi_delivered_ce);
    return 0;
}

static int do_close(struct slot *slot, char **arguments, char *text)
{
    (void)arguments, (void)text;
    int sock = slot->sock;
    slot->sock = -1;
    return close(sock);
}

static int do_abort(struct slot *slot, char **arguments, char *text)
{
    struct linger linger = {1, 0};
    setsockopt(slot->sock, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return do_close(slot, arguments, text);
}

static int do_fresh(struct slot *slot, char **arguments, char *text)
{
    if (slot->sock >= 0) {
        shutdown(slot->sock, SHUT_RDWR); /* who waits for it wakes up */
        do_abort(slot, arguments, text);
    }
    if (slot->listener >= 0) {
        shutdown(slot->listener, SHUT_RDWR);
        close(slot->listener);
    }
    slot->sock = slot->listener = -1;
    return 0;
}

static int do_keepalive(struct slot *slot, char **arguments, char *text)
{
    (void)arguments, (void)text;
    int one = 1;
    setsockopt(slot->sock, IPPROTO_TCP, TCP_KEEPIDLE, &one, sizeof one);
    setsockopt(slot->sock, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof one);
    return setsockopt(slot->sock, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

/* What <linux/tcp.h> has from 6.7 on; the machine that compiles this may have an older one. */

#define OPT_AO_ADD_KEY 38
#define OPT_AO_INFO 40

struct ao_key {
    struct sockaddr_storage address;
    char algorithm[64];
    int32_t ifindex;
    uint32_t flags; /* 1: set_current, 2: set_rnext */
    uint16_t reserved;
    uint8_t prefix, sndid, rcvid, maclen, keyflags, keylen;
    uint8_t key[80];
} __attribute__((aligned(8)));

struct ao_info {
    uint32_t flags; /* 1: set_current, 2: set_rnext */
    uint16_t reserved;
    uint8_t current, rnext;
    uint64_t good, bad, not_found, required, dropped_icmp;
} __attribute__((aligned(8)));

static int do_key(struct slot *slot, char **arguments, char *text)
{
    (void)text;
    struct ao_key key = {.prefix = 32};
    struct sockaddr_in *address = (struct sockaddr_in *)&key.address;
    address->sin_family = AF_INET;
    inet_pton(AF_INET, arguments[0], &address->sin_addr);
    snprintf(key.algorithm, sizeof key.algorithm, "%s", arguments[1]);
    key.maclen = atoi(arguments[2]);
    key.sndid = atoi(arguments[3]);
    key.rcvid = atoi(arguments[4]);
    key.keylen = strnlen(arguments[5], sizeof key.key);
    memcpy(key.key, arguments[5], key.keylen);
    key.flags = atoi(arguments[6]);
    int sock = slot->listener < 0 || slot->sock >= 0 ? made(slot) : slot->listener;
    return setsockopt(sock, IPPROTO_TCP, OPT_AO_ADD_KEY, &key, sizeof key);
}

static int do_use(struct slot *slot, char **arguments, char *text)
{
    (void)text;
    int current = atoi(arguments[0]), rnext = atoi(arguments[1]);
    struct ao_info info = {.flags = (current >= 0) | (rnext >= 0) << 1,
                           .current = current,
                           .rnext = rnext};
    return setsockopt(slot->sock, IPPROTO_TCP, OPT_AO_INFO, &info, sizeof info);
}

static int do_ao(struct slot *slot, char **arguments, char *text)
{
    (void)arguments;
    struct ao_info info = {0};
    socklen_t size = sizeof info;
    int sock = slot->sock >= 0 ? slot->sock : slot->listener;
    if (getsockopt(sock, IPPROTO_TCP, OPT_AO_INFO, &info, &size))
        return -1;
    sprintf(text,
            "{\"current\": %d, \"rnext\": %d, \"good\": %llu, \"bad\": %llu, "
            "\"not_found\": %llu, \"required\": %llu}",
            info.current, info.rnext, (unsigned long long)info.good, (unsigned long long)info.bad,
            (unsigned long long)info.not_found, (unsigned long long)info.required);
    return 0;
}

static int do_sysctl(struct slot *slot, char **arguments, char *text)
{
    (void)slot, (void)text;
    char path[256];
    snprintf(path, sizeof path, "/proc/sys/%s", arguments[0]);
    int file = open(path, O_WRONLY);
    if (file < 0)
        return -1;
    int result = write(file, arguments[1], strlen(arguments[1])) < 0 ? -1 : 0, error = errno;
    close(file);
    errno = error;
    return result;
}

static const struct command {
    const char *name;
    int arguments; /* at least */
    int (*run)(struct slot *, char **, char *);
} COMMANDS[] = {
    {"listen", 0, do_listen},     {"accept", 0, do_accept},     {"connect", 2, do_connect},
    {"send", 2, do_send},         {"receive", 0, do_receive},   {"exchange", 2, do_exchange},
    {"echo", 0, do_echo},         {"shutdown", 0, do_shutdown}, {"info", 0, do_info},
    {"close", 0, do_close},       {"abort", 0, do_abort},       {"fresh", 0, do_fresh},
    {"keepalive", 0, do_keepalive}, {"key", 7, do_key},         {"use", 2, do_use},
    {"ao", 0, do_ao},             {"sysctl", 2, do_sysctl},
};

/* ---- the machine ---- */

static FILE *port;

static void answer(const char *tag, const char *text)
{
    flockfile(port); /* answers of several threads */
    fprintf(port, "%s %s\n", tag, text);
    fflush(port);
    funlockfile(port);
}

static void *run(void *argument)
{
    char *line = argument, *words[WORDS + 1] = {NULL}, *rest = NULL, text[TEXT] = "{}";
    int count = 0;
    for (char *word = strtok_r(line, " \n", &rest); word && count < WORDS;
         word = strtok_r(NULL, " \n", &rest))
        words[count++] = word;
    unsigned long slot = count > 2 ? strtoul(words[1], NULL, 10) : SLOTS;
    const struct command *found = NULL;
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (slot < SLOTS && !strcmp(words[2], COMMANDS[i].name) &&
            count - 3 >= COMMANDS[i].arguments)
            found = &COMMANDS[i];
    errno = ENOSYS;
    if (!found || found->run(&slots[slot], words + 3, text)) {
        int error = errno;
        sprintf(text, "{\"error\": %d, \"text\": \"%.80s: %s\"}", error,
                found ? found->name : "no such command", strerror(error));
    }
    answer(count ? words[0] : "0", text);
    free(line);
    return NULL;
}

static void die(const char *what)
{
    fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
    sync();
    reboot(RB_AUTOBOOT); /* which ends the emulator (-no-reboot) */
}

static void too_late(int number)
{
    (void)number;
    reboot(RB_AUTOBOOT);
}

static void load_modules(void)
{
    char path[16];
    for (int i = 0;; i++) {
        snprintf(path, sizeof path, "/%d", i);
        int file = open(path, O_RDONLY);
        if (file < 0)
            return;
        if (syscall(SYS_finit_module, file, "", 0) && errno != EEXIST)
            die(path);
        close(file);
    }
}

static void bring_up(const char *name)
{
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request = {0};
    struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
    snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
    address->sin_family = AF_INET;
    if (strcmp(name, "lo")) {
        inet_pton(AF_INET, getenv("address"), &address->sin_addr);
        if (ioctl(sock, SIOCSIFADDR, &request))
            die("SIOCSIFADDR");
        inet_pton(AF_INET, getenv("netmask"), &address->sin_addr);
        if (ioctl(sock, SIOCSIFNETMASK, &request))
            die("SIOCSIFNETMASK");
        request.ifr_mtu = atoi(getenv("mtu"));
        if (ioctl(sock, SIOCSIFMTU, &request))
            die("SIOCSIFMTU");
    }
    /* Without ARP frames go to the interface's own address; nobody at the other end looks. */
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_NOARP;
    if (ioctl(sock, SIOCSIFFLAGS, &request))
        die("SIOCSIFFLAGS");
    close(sock);
}

int main(void)
{
    struct utsname system;
    char hello[TEXT], *line = NULL;
    size_t size = 0;
    for (int i = 0; i < SLOTS; i++)
        slots[i].sock = slots[i].listener = -1;
    if (mount("dev", "/dev", "devtmpfs", 0, NULL) || mount("proc", "/proc", "proc", 0, NULL))
        die("mount");
    dup2(open("/dev/console", O_RDWR), 2);
    signal(SIGALRM, too_late);
    alarm(atoi(getenv("deadline")));
    load_modules();
    bring_up("lo");
    bring_up("eth0");
    int serial = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
    struct termios raw;
    if (serial < 0 || tcgetattr(serial, &raw))
        die("/dev/ttyS1");
    cfmakeraw(&raw);
    tcsetattr(serial, TCSANOW, &raw);
    port = fdopen(dup(serial), "w");
    FILE *commands = fdopen(serial, "r");
    uname(&system);
    snprintf(hello, sizeof hello, "{\"release\": \"%s\"}", system.release);
    answer("0", hello);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    while (getline(&line, &size, commands) > 0) {
        pthread_t thread;
        pthread_create(&thread, &detached, run, strdup(line));
    }
    die("the end of the commands");
    return 1;
}
