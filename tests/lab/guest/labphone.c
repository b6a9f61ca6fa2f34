/*
 * labphone - a telephone or an exchange port by hand, on one DAHDI channel.
 *
 *      labphone CHANNEL ACTION [ARGUMENT...] ACTION ...
 *
 * Shares no code with tipring, so that what the driver does is judged by something else. Actions are
 * carried out in order; the first whose expectation fails ends it with status 1, and closing the channel
 * puts the line on-hook. Every event is printed with its time.
 *
 *   offhook | onhook | ring | ringoff | flash MS        hook states (ring, ringoff: FXS ports)
 *   cadence ON OFF          ringing cadence, ms          polarity 0|1     oht MS (on-hook transmission)
 *   dial STRING             kernel dialling, T or P prefix, until it is complete
 *   tone dial|stutter|busy|ringback|congestion|stop      the kernel's tone zone
 *   sleep MS                listen and print events
 *   event NAME MS           wait for an event            noevent NAME MS  none of these for so long
 *   play HZ[+HZ] DBM0 MS    sound                        hear HZ[+HZ] MS  print levels heard
 *   hears HZ[+HZ] DBM0 MS   wait until each is that loud for 100 ms       quiet DBM0 MS   no louder for so long
 *   digits STRING MS        wait for these DTMF digits
 *   sendcid NUMBER NAME     Bell 202 caller ID           cid NUMBER MS    wait until it is heard
 *   volts | params        print                        alarm N MS       wait until chan_alarms is N
 *   ioerror read|write MS   wait until it fails other than for an event; prints why
 *   destroyloc KEY:ID       (channel 0) remove a dynamic loc span
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <dahdi/user.h>

enum { RATE = 8000, BLOCK = 160, WIN = 800, CAP = RATE * 60 };
#define DBM0_PEAK 22304.0	/* peak of a 0 dBm0 sine in 16-bit linear, µ-law (G.711 table 2a: full scale is +3.17) */

static int fd, channel;
static double T0;
static int16_t heard[CAP];	/* everything since the current action began */
static int nheard;
static int last_io;		/* errno of the last read or write that failed for no event */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void say(const char *fmt, ...)
{
	va_list a;

	va_start(a, fmt);
	printf("[%8.3f] ch %d ", now(), channel);
	vprintf(fmt, a);
	printf("\n");
	fflush(stdout);
	va_end(a);
}

static void die(const char *fmt, ...)
{
	va_list a;

	va_start(a, fmt);
	printf("[%8.3f] ch %d NOT: ", now(), channel);
	vprintf(fmt, a);
	printf("\n");
	va_end(a);
	exit(1);
}

static const char *const EVENTS[] = { "NONE", "ONHOOK", "RINGOFFHOOK", "WINKFLASH", "ALARM", "NOALARM", "ABORT",
	"OVERRUN", "BADFCS", "DIALCOMPLETE", "RINGERON", "RINGEROFF", "HOOKCOMPLETE", "BITSCHANGED", "PULSE_START",
	"TIMER_EXPIRED", "TIMER_PING", "POLARITY", "RINGBEGIN", "EC_DISABLED", "REMOVED", "NEONMWI_ACTIVE",
	"NEONMWI_INACTIVE", "TX_CED", "RX_CED", "TX_CNG", "RX_CNG", "EC_NLP_DISABLED", "EC_NLP_ENABLED",
	"READ_OVERRUN", "WRITE_UNDERRUN" };

static const char *event_name(int e)
{
	static char b[32];

	if (e & DAHDI_EVENT_PULSEDIGIT) sprintf(b, "PULSEDIGIT(%c)", e & 0xff);
	else if (e & DAHDI_EVENT_DTMFDOWN) sprintf(b, "DTMFDOWN(%c)", e & 0xff);
	else if (e & DAHDI_EVENT_DTMFUP) sprintf(b, "DTMFUP(%c)", e & 0xff);
	else if (e >= 0 && e < (int)(sizeof EVENTS / sizeof *EVENTS)) return EVENTS[e];
	else sprintf(b, "%d", e);
	return b;
}

/* one event off the queue, or NULL */
static const char *next_event(void)
{
	int e = 0;

	if (ioctl(fd, DAHDI_GETEVENT, &e) < 0 && e != DAHDI_EVENT_REMOVED) return NULL;
	if (!e) return NULL;
	say("event %s", event_name(e));
	return event_name(e);
}

static double goertzel(const int16_t *x, int n, double f)	/* amplitude */
{
	double c = 2 * cos(2 * M_PI * f / RATE), s0, s1 = 0, s2 = 0;

	for (int i = 0; i < n; i++) { s0 = x[i] + c * s1 - s2; s2 = s1; s1 = s0; }
	return sqrt(fmax(0, s1 * s1 + s2 * s2 - c * s1 * s2)) * 2 / n;
}
static double dbm0(double peak) { return 20 * log10(fmax(peak, 0.5) / DBM0_PEAK); }
static double level(const int16_t *x, int n)
{
	double s = 0;

	for (int i = 0; i < n; i++) s += (double)x[i] * x[i];
	return dbm0(sqrt(2 * s / (n ? n : 1)));
}

/*
 * Listen (and play) until `until`; an event ends it early and is returned. read() and write() fail with
 * ELAST while an event is queued.
 */
static const char *listen_to(double until, const int16_t *play, int n, int *pos)
{
	for (;;) {
		double left = until - now();
		struct pollfd p = { .fd = fd, .events = POLLIN | POLLPRI | (play && *pos < n ? POLLOUT : 0) };
		int16_t b[BLOCK];
		const char *e;
		int r;

		if (left <= 0 && !(play && *pos < n)) return NULL;
		poll(&p, 1, left > 0 && left < 0.05 ? (int)(left * 1000) + 1 : 50);
		if ((p.revents & POLLPRI) && (e = next_event())) return e;
		if (p.revents & POLLIN) {
			r = read(fd, b, sizeof b);
			if (r > 0 && nheard + r / 2 <= CAP) {
				memcpy(heard + nheard, b, r);
				nheard += r / 2;
			} else if (r < 0 && errno != ELAST && errno != EAGAIN) {
				last_io = errno;
				return NULL;
			}
		}
		if (play && *pos < n && (p.revents & POLLOUT)) {
			r = write(fd, play + *pos, 2 * (n - *pos < BLOCK ? n - *pos : BLOCK));
			if (r > 0) *pos += r / 2;
			else if (r < 0 && errno != ELAST && errno != EAGAIN) {
				last_io = errno;
				return NULL;
			}
		}
	}
}

static void hook(int h)
{
	/* without blocking, RING, FLASH and WINK are under way when they return EINPROGRESS */
	if (ioctl(fd, DAHDI_HOOK, &h) < 0 && errno != EINPROGRESS) die("HOOK %d: %s", h, strerror(errno));
}

static struct dahdi_params params(void)
{
	struct dahdi_params p;

	memset(&p, 0, sizeof p);
	if (ioctl(fd, DAHDI_GET_PARAMS, &p) < 0) die("GET_PARAMS: %s", strerror(errno));
	return p;
}

/* keep what is heard from growing without end */
static void forget(int keep)
{
	if (nheard <= keep) return;
	memmove(heard, heard + nheard - keep, keep * 2);
	nheard = keep;
}

static int parse_tones(const char *s, double f[2])
{
	return sscanf(s, "%lf+%lf", &f[0], &f[1]);
}

static void play(const char *tones, double level_dbm0, int ms)
{
	double f[2] = { 0 }, a = DBM0_PEAK * pow(10, level_dbm0 / 20);
	int k = parse_tones(tones, f), n = ms * (RATE / 1000), pos = 0;
	int16_t *b = malloc(n * 2);

	for (int i = 0; i < n; i++) {
		double v = 0;
		for (int j = 0; j < k; j++) v += a * sin(2 * M_PI * f[j] * i / RATE);
		b[i] = fmax(-32768, fmin(32767, v));
	}
	while (pos < n && !last_io) { listen_to(0, b, n, &pos); forget(0); }
	if (last_io) die("writing: %s", strerror(last_io));
	free(b);
}

static void hear(const char *tones, int ms, int want, double least)
{
	double f[2], end = now() + ms / 1e3, best[2] = { -99, -99 };
	int k = parse_tones(tones, f), done = 0;

	while (now() < end) {
		listen_to(fmin(end, now() + 0.05), 0, 0, 0);
		for (; done + WIN <= nheard; done += WIN / 2) {
			double a[2] = { -99, -99 }, low = 99;
			for (int j = 0; j < k; j++) { a[j] = dbm0(goertzel(heard + done, WIN, f[j])); low = fmin(low, a[j]); }
			if (low > fmin(best[0], k > 1 ? best[1] : 99)) { best[0] = a[0]; best[1] = a[1]; }
			if (want && low >= least) goto out;
		}
		if (nheard > CAP - RATE) { forget(WIN); done = 0; }
	}
out:
	if (k > 1) say("hears %s at %.1f and %.1f dBm0", tones, best[0], best[1]);
	else say("hears %s at %.1f dBm0", tones, best[0]);
	if (want && fmin(best[0], k > 1 ? best[1] : 99) < least) die("%s not at %.1f dBm0 within %d ms", tones, least, ms);
}

static void quiet(double most, int ms)
{
	double end = now() + ms / 1e3, top = -99;

	while (now() < end) listen_to(end, 0, 0, 0);
	for (int i = 0; i + WIN <= nheard; i += WIN) top = fmax(top, level(heard + i, WIN));
	say("loudest 100 ms: %.1f dBm0", top);
	if (top > most) die("quiet: %.1f dBm0 heard, at most %.1f wanted", top, most);
}

/* digits on two equal blocks of 20 ms, ended by another block */
static void dtmf_decode(const int16_t *x, int n, char *out, int cap)
{
	static const double R[4] = { 697, 770, 852, 941 }, C[4] = { 1209, 1336, 1477, 1633 };
	static const char K[] = "123A456B789C*0#D";
	char last = 0, cur = 0;
	int run = 0, o = 0;

	for (int i = 0; i + BLOCK <= n; i += BLOCK) {
		double r = 0, c = 0, e;
		int ri = 0, ci = 0;
		for (int k = 0; k < 4; k++) {
			double a = goertzel(x + i, BLOCK, R[k]), b = goertzel(x + i, BLOCK, C[k]);
			if (a > r) { r = a; ri = k; }
			if (b > c) { c = b; ci = k; }
		}
		e = DBM0_PEAK * pow(10, level(x + i, BLOCK) / 20) / M_SQRT2;
		char d = (r > 200 && c > 200 && (r * r + c * c) / 2 > 0.7 * e * e) ? K[ri * 4 + ci] : 0;
		if (d == cur) run++; else { cur = d; run = 1; }
		if (run == 2) {
			if (cur && cur != last && o < cap - 1) out[o++] = cur;
			last = cur;
		}
	}
	out[o] = 0;
}

static void digits(const char *want, int ms)
{
	double end = now() + ms / 1e3;
	char got[128] = "";

	while (now() < end && strcmp(got, want)) {
		listen_to(fmin(end, now() + 0.2), 0, 0, 0);
		dtmf_decode(heard, nheard, got, sizeof got);
	}
	say("digits %s", got);
	if (strcmp(got, want)) die("digits: %s heard, %s wanted", got, want);
}

/* Bell 202, 1200 baud: mark 1200 Hz, space 2200 Hz, one start and one stop bit (GR-30-CORE) */
static int fsk_decode(const int16_t *x, int n, unsigned char *out, int cap)
{
	static int m[CAP];
	const double bit = RATE / 1200.0;
	int w[4][7], o = 0;

	/* in integers: the guest's processor is emulated, and its floating point is slow */
	for (int k = 0; k < 7; k++) {
		w[0][k] = 256 * cos(2 * M_PI * 1200 * k / RATE); w[1][k] = 256 * sin(2 * M_PI * 1200 * k / RATE);
		w[2][k] = 256 * cos(2 * M_PI * 2200 * k / RATE); w[3][k] = 256 * sin(2 * M_PI * 2200 * k / RATE);
	}
	for (int i = 0; i + 7 < n; i++) {
		int s[4] = { 0 };
		for (int j = 0; j < 4; j++) {
			for (int k = 0; k < 7; k++) s[j] += x[i + k] * w[j][k] / 256;
			s[j] /= 16;
		}
		int a = s[0] * s[0] + s[1] * s[1], b = s[2] * s[2] + s[3] * s[3];
		m[i] = a + b < 1000 ? 0 : a - b;	/* above 0: mark */
	}
	for (int i = 1; i + 80 < n && o < cap; i++) {
		int v = 0;
		if (!(m[i - 1] > 0 && m[i] < 0)) continue;
		if (!(m[(int)(i + bit * 0.5)] < 0)) continue;
		for (int k = 0; k < 8; k++) if (m[(int)(i + bit * (1.5 + k))] > 0) v |= 1 << k;
		if (!(m[(int)(i + bit * 9.5)] > 0)) continue;
		out[o++] = v;
		i += bit * 9.2;
	}
	return o;
}

static void caller_id(const char *number, int ms)
{
	double end = now() + ms / 1e3;
	unsigned char m[1024];
	int n = 0, found = 0;

	while (now() < end && !found) {
		listen_to(fmin(end, now() + 0.5), 0, 0, 0);
		n = fsk_decode(heard, nheard, m, sizeof m);
		found = memmem(m, n, number, strlen(number)) != NULL;
	}
	if (found) listen_to(now() + 0.3, 0, 0, 0);	/* the rest of the message */
	n = fsk_decode(heard, nheard, m, sizeof m);
	char txt[400];
	int o = 0;
	for (int i = 0; i < n && o < 380; i++) o += sprintf(txt + o, m[i] >= 32 && m[i] < 127 ? "%c" : "<%02x>", m[i]);
	say("caller ID %s", o ? txt : "none");
	if (!found) die("caller ID %s not heard within %d ms", number, ms);
}

static void send_caller_id(const char *number, const char *name)
{
	static int16_t b[RATE * 4];
	unsigned char msg[128];
	int n = 0, len = 2, sum = 0, pos = 0;
	double phase = 0, t = 0;

	msg[len++] = 1; msg[len++] = 8; memcpy(msg + len, "01010000", 8); len += 8;	/* date and time */
	msg[len++] = 2; msg[len++] = strlen(number); memcpy(msg + len, number, strlen(number)); len += strlen(number);
	msg[len++] = 7; msg[len++] = strlen(name); memcpy(msg + len, name, strlen(name)); len += strlen(name);
	msg[0] = 0x80; msg[1] = len - 2;
	for (int i = 0; i < len; i++) sum += msg[i];
	msg[len++] = -sum;
	/* channel seizure 300 bits, mark 180 bits, then the octets */
	for (int k = 0; k < 480 + len * 10 + 10; k++) {
		int q = k - 480, bit = k < 300 ? k & 1 : q < 0 || q >= len * 10 ? 1 : q % 10 == 0 ? 0 : q % 10 == 9 ? 1 : msg[q / 10] >> (q % 10 - 1) & 1;
		for (t += RATE / 1200.0; n < t && n < RATE * 4; n++) {
			phase += 2 * M_PI * (bit ? 1200 : 2200) / RATE;
			b[n] = DBM0_PEAK * pow(10, -13.5 / 20) * sin(phase);
		}
	}
	while (pos < n && !last_io) listen_to(0, b, n, &pos);
	say("sent caller ID %s", number);
}

static void wait_event(const char *name, int ms, int wanted)
{
	double start = now(), end = start + ms / 1e3;

	while (now() < end) {
		const char *e = listen_to(end, 0, 0, 0);
		forget(0);
		if (!e || strncmp(e, name, strlen(name))) {
			if (last_io) usleep(20000);
			continue;
		}
		if (!wanted) die("event %s after %.0f ms", name, (now() - start) * 1e3);
		say("%s after %.0f ms", name, (now() - start) * 1e3);
		return;
	}
	if (wanted) die("no event %s within %d ms", name, ms);
}

static void tone_zone(const char *name)
{
	static const struct { const char *n; int t; } T[] = { { "dial", DAHDI_TONE_DIALTONE }, { "busy", DAHDI_TONE_BUSY },
		{ "ringback", DAHDI_TONE_RINGTONE }, { "congestion", DAHDI_TONE_CONGESTION }, { "stutter", DAHDI_TONE_STUTTER },
		{ "stop", DAHDI_TONE_STOP } };

	for (unsigned i = 0; i < sizeof T / sizeof *T; i++) {
		int t = T[i].t;
		if (strcmp(name, T[i].n)) continue;
		if (ioctl(fd, DAHDI_SENDTONE, &t) < 0) die("SENDTONE %s: %s", name, strerror(errno));
		return;
	}
	die("tone %s?", name);
}

static void dial(const char *s)
{
	struct dahdi_dialoperation d = { .op = DAHDI_DIAL_OP_REPLACE };

	snprintf(d.dialstr, sizeof d.dialstr, "%s", s);
	if (ioctl(fd, DAHDI_DIAL, &d) < 0) die("DIAL: %s", strerror(errno));
	wait_event("DIALCOMPLETE", 30000, 1);
}

static void flash(int ms)
{
	struct dahdi_params p = params();

	p.flashtime = ms;
	if (ioctl(fd, DAHDI_SET_PARAMS, &p) < 0) die("SET_PARAMS: %s", strerror(errno));
	hook(DAHDI_FLASH);
	wait_event("HOOKCOMPLETE", 5000, 1);
}

static void io_error(int writing, int ms)
{
	static int16_t silence[BLOCK];
	double end = now() + ms / 1e3;

	for (last_io = 0; now() < end && !last_io; ) {
		int pos = 0;
		listen_to(now() + 0.02, writing ? silence : NULL, BLOCK, &pos);
		forget(0);
	}
	if (!last_io) die("no error within %d ms", ms);
	say("%s: %s", writing ? "write" : "read", strerror(last_io));
}

static void volts(void)
{
	struct { int tip, ring, bat; } st;

	if (ioctl(fd, _IOR(DAHDI_CODE, 60, st), &st) < 0) die("WCTDM_GET_STATS: %s", strerror(errno));
	say("volts tip %d ring %d bat %d", st.tip, st.ring, st.bat);
}

static void alarm_is(int want, int ms)
{
	double end = now() + ms / 1e3;
	int a;

	while ((a = params().chan_alarms) != want) {
		if (now() > end) die("chan_alarms %d, not %d after %d ms", a, want, ms);
		listen_to(now() + 0.02, 0, 0, 0);
		forget(0);
	}
	say("chan_alarms %d", a);
}

static void destroy_loc(const char *addr)
{
	struct dahdi_dynamic_span d = { .driver = "loc", .numchans = 4 };
	int ctl = open("/dev/dahdi/ctl", O_RDWR);

	snprintf(d.addr, sizeof d.addr, "%s", addr);
	if (ioctl(ctl, DAHDI_DYNAMIC_DESTROY, &d) < 0) die("DYNAMIC_DESTROY %s: %s", addr, strerror(errno));
	close(ctl);
}

static void open_channel(void)
{
	int linear = 1;
	struct dahdi_bufferinfo bi = { .txbufpolicy = DAHDI_POLICY_IMMEDIATE, .rxbufpolicy = DAHDI_POLICY_IMMEDIATE,
		.numbufs = 8, .bufsize = BLOCK };

	fd = open("/dev/dahdi/channel", O_RDWR | O_NONBLOCK);
	if (fd < 0) die("/dev/dahdi/channel: %s", strerror(errno));
	if (ioctl(fd, DAHDI_SPECIFY, &channel) < 0) die("channel %d: %s", channel, strerror(errno));
	if (ioctl(fd, DAHDI_SET_BUFINFO, &bi) < 0) die("SET_BUFINFO: %s", strerror(errno));
	if (ioctl(fd, DAHDI_SETLINEAR, &linear) < 0) die("SETLINEAR: %s", strerror(errno));
}

int main(int c, char **v)
{
	int i = 2;
#define NEXT (i < c ? v[i++] : (die("%s: argument missing", a), ""))
	T0 = now();
	if (c < 3) { fprintf(stderr, "usage: labphone CHANNEL ACTION...\n"); return 2; }
	channel = atoi(v[1]);
	if (channel) open_channel();
	while (i < c) {
		const char *a = v[i++], *x, *y;
		int n, r[2];

		forget(0);
		last_io = 0;
		if (!strcmp(a, "offhook")) hook(DAHDI_OFFHOOK);
		else if (!strcmp(a, "onhook")) hook(DAHDI_ONHOOK);
		else if (!strcmp(a, "ring")) hook(DAHDI_RING);
		else if (!strcmp(a, "ringoff")) hook(DAHDI_RINGOFF);
		else if (!strcmp(a, "flash")) flash(atoi(NEXT));
		else if (!strcmp(a, "cadence")) {
			struct dahdi_ring_cadence k = { { 0 } };
			r[0] = atoi(NEXT); r[1] = atoi(NEXT);
			k.ringcadence[0] = r[0]; k.ringcadence[1] = r[1];
			if (ioctl(fd, DAHDI_SETCADENCE, &k) < 0) die("SETCADENCE: %s", strerror(errno));
		} else if (!strcmp(a, "polarity")) {
			n = atoi(NEXT);
			if (ioctl(fd, DAHDI_SETPOLARITY, &n) < 0) die("SETPOLARITY: %s", strerror(errno));
		} else if (!strcmp(a, "oht")) {
			n = atoi(NEXT);
			if (ioctl(fd, DAHDI_ONHOOKTRANSFER, &n) < 0) die("ONHOOKTRANSFER: %s", strerror(errno));
		} else if (!strcmp(a, "dial")) dial(NEXT);
		else if (!strcmp(a, "tone")) tone_zone(NEXT);
		else if (!strcmp(a, "sleep")) {
			double end = now() + atoi(NEXT) / 1e3;
			while (now() < end) { listen_to(end, 0, 0, 0); forget(0); if (last_io) usleep(20000); }
		} else if (!strcmp(a, "event")) { x = NEXT; wait_event(x, atoi(NEXT), 1); }
		else if (!strcmp(a, "noevent")) { x = NEXT; wait_event(x, atoi(NEXT), 0); }
		else if (!strcmp(a, "play")) { x = NEXT; y = NEXT; play(x, atof(y), atoi(NEXT)); }
		else if (!strcmp(a, "hear")) { x = NEXT; hear(x, atoi(NEXT), 0, 0); }
		else if (!strcmp(a, "hears")) { x = NEXT; y = NEXT; hear(x, atoi(NEXT), 1, atof(y)); }
		else if (!strcmp(a, "quiet")) { x = NEXT; quiet(atof(x), atoi(NEXT)); }
		else if (!strcmp(a, "digits")) { x = NEXT; digits(x, atoi(NEXT)); }
		else if (!strcmp(a, "sendcid")) { x = NEXT; send_caller_id(x, NEXT); }
		else if (!strcmp(a, "cid")) { x = NEXT; caller_id(x, atoi(NEXT)); }
		else if (!strcmp(a, "volts")) volts();
		else if (!strcmp(a, "params")) {
			struct dahdi_params p = params();
			say("params span %d pos %d name %s sig %x alarms %d rxisoffhook %d rxhook %d txhook %d", p.spanno, p.chanpos,
			    p.name, p.sigtype, p.chan_alarms, p.rxisoffhook, p.rxhooksig, p.txhooksig);
		} else if (!strcmp(a, "alarm")) { x = NEXT; alarm_is(atoi(x), atoi(NEXT)); }
		else if (!strcmp(a, "ioerror")) { x = NEXT; io_error(*x == 'w', atoi(NEXT)); }
		else if (!strcmp(a, "destroyloc")) destroy_loc(NEXT);
		else die("%s?", a);
	}
	return 0;
}
