/* What passes sound on, beside which ours is measured: the echo cancellers of speexdsp and of spandsp (the ancestor of OSLEC), and
 * spandsp's concealment of lost packets. Built when the comparison runs, never part of the product.
 *
 *   speexdsp|spandsp TAPS
 *   plc SAMPLES            what was "sent" is the sound, a packet of which "received" does not begin with 0 is lost
 *
 * Standard input: lines, each a 32 bit count, so many 16 bit samples sent at 8 kHz and so many received. Standard output: so many
 * samples with the echo taken out, line by line, each through a fresh canceller, and at the end 8 bytes: the seconds that it took, as a
 * double.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <speex/speex_echo.h>
#include <spandsp.h>

#define FRAME 160

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    double spent = 0;
    uint32_t count;
    if (argc != 3) return 2;
    /* Debian's spandsp tells its canceller's thoughts on standard output, sample by sample (its time is therefore not to be compared) */
    FILE *results = fdopen(dup(1), "wb");
    if (!results || !freopen("/dev/null", "w", stdout)) return 3;
    int taps = atoi(argv[2]);
    while (fread(&count, sizeof count, 1, stdin) == 1) {
        int16_t *sent = calloc(count + FRAME, 2), *received = calloc(count + FRAME, 2), *out = calloc(count + FRAME, 2);
        if (!sent || !received || !out) return 3;
        if (fread(sent, 2, count, stdin) != count || fread(received, 2, count, stdin) != count) return 3;
        if (!strcmp(argv[1], "speexdsp")) {
            int rate = 8000;
            SpeexEchoState *state = speex_echo_state_init(FRAME, taps);
            speex_echo_ctl(state, SPEEX_ECHO_SET_SAMPLING_RATE, &rate);
            double before = now();
            for (uint32_t i = 0; i < count; i += FRAME) speex_echo_cancellation(state, received + i, sent + i, out + i);
            spent += now() - before;
            speex_echo_state_destroy(state);
        } else if (!strcmp(argv[1], "spandsp")) {
            echo_can_state_t *state = echo_can_init(taps, ECHO_CAN_USE_ADAPTION);
            double before = now();
            for (uint32_t i = 0; i < count; i++) out[i] = echo_can_update(state, sent[i], received[i]);
            spent += now() - before;
            echo_can_free(state);
        } else if (!strcmp(argv[1], "plc")) {
            plc_state_t *state = plc_init(NULL);
            memcpy(out, sent, 2 * count);
            double before = now();
            for (uint32_t i = 0; i < count; i += taps) {
                int n = count - i < (uint32_t)taps ? (int)(count - i) : taps;
                if (received[i]) plc_fillin(state, out + i, n);
                else plc_rx(state, out + i, n);
            }
            spent += now() - before;
            plc_free(state);
        } else return 2;
        if (fwrite(out, 2, count, results) != count) return 3;
        free(sent);
        free(received);
        free(out);
    }
    fwrite(&spent, sizeof spent, 1, results);
    fclose(results);
    return 0;
}
