/* spandsp and speexdsp's neighbour in the comparison: many clips in one run, each to a fresh detector. Built when the comparison runs, never
 * part of the product.
 *
 *   dtmf                       DIGIT@SAMPLE for each digit that it began to hear
 *   tones TONE...              NUMBER@SAMPLE for each tone; TONE is f1+f2/min-max, … with 0 for silence; -1-0 is without end
 *   fax KIND...                KIND@SAMPLE; kinds as spandsp numbers them, all at once
 *   cid class|clip|dtmf        a message: TYPE=HEX,TYPE=HEX,…
 *
 * Standard input: clips, each a 32 bit count and so many 16 bit samples at 8 kHz. Standard output: a line for each clip, and at
 * the end "cpu SECONDS": what the detector took, reading not counted.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#define SPANDSP_EXPOSE_INTERNAL_STRUCTURES
#include <spandsp.h>

static long at;
static double spent;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void digit(void *user, int code, int level, int delay)
{
    (void)user; (void)level; (void)delay;
    if (code) printf("%c@%ld ", code, at);
}

static void tone(void *user, int code, int level, int delay)
{
    (void)user; (void)level; (void)delay;
    if (code >= 0) printf("%d@%ld ", code, at);
}

static void connect_tone(void *user, int code, int level, int delay)
{
    (void)user; (void)level; (void)delay;
    if (code > 0) printf("%d@%ld ", code, at);
}

static adsi_rx_state_t *cid;

static void message(void *user, const uint8_t *msg, int len)
{
    uint8_t type;
    const uint8_t *body;
    int length, pos = -1;
    (void)user;
    do {
        pos = adsi_next_field(cid, msg, len, pos, &type, &body, &length);
        if (pos > 0 && body) {
            printf("%02x=", type);
            for (int i = 0; i < length; i++) printf("%02x", body[i]);
            printf(",");
        }
    } while (pos > 0 && pos < len);
    printf(" ");
}

static super_tone_rx_descriptor_t *describe(int argc, char **argv)
{
    super_tone_rx_descriptor_t *d = super_tone_rx_make_descriptor(NULL);
    for (int i = 2; i < argc; i++) {
        int number = super_tone_rx_add_tone(d);
        for (char *step = strtok(argv[i], ","); step; step = strtok(NULL, ",")) {
            int f1 = 0, f2 = 0, least = 0, most = 0;
            if (sscanf(step, "%d+%d/%d-%d", &f1, &f2, &least, &most) != 4) exit(2);
            super_tone_rx_add_element(d, number, f1, f2, least, most);
        }
    }
    return d;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    uint32_t count;
    super_tone_rx_descriptor_t *d = strcmp(what, "tones") ? NULL : describe(argc, argv);
    int step = strcmp(what, "dtmf") ? 80 : 8;
    while (fread(&count, sizeof count, 1, stdin) == 1) {
        int16_t *clip = malloc((count + 1) * sizeof *clip);
        if (!clip || fread(clip, sizeof *clip, count, stdin) != count) return 3;
        dtmf_rx_state_t *dtmf = NULL;
        super_tone_rx_state_t *tones = NULL;
        modem_connect_tones_rx_state_t *fax[8] = {0};
        int kinds = 0;
        cid = NULL;
        if (!strcmp(what, "dtmf")) {
            dtmf = dtmf_rx_init(NULL, NULL, NULL);
            dtmf_rx_set_realtime_callback(dtmf, digit, NULL);
        } else if (d) {
            tones = super_tone_rx_init(NULL, d, tone, NULL);
        } else if (!strcmp(what, "fax")) {
            for (; kinds < argc - 2 && kinds < 8; kinds++)
                fax[kinds] = modem_connect_tones_rx_init(NULL, atoi(argv[2 + kinds]), connect_tone, NULL);
        } else if (!strcmp(what, "cid") && argc == 3) {
            int standard = !strcmp(argv[2], "class") ? ADSI_STANDARD_CLASS : !strcmp(argv[2], "clip") ? ADSI_STANDARD_CLIP : ADSI_STANDARD_CLIP_DTMF;
            cid = adsi_rx_init(NULL, standard, message, NULL);
        } else return 2;
        double before = now();
        for (at = 0; at < (long)count; ) {
            int n = count - at < step ? (int)(count - at) : step;
            int16_t *from = clip + at;
            at += n;
            if (dtmf) dtmf_rx(dtmf, from, n);
            if (cid) adsi_rx(cid, from, n);
            for (int i = 0; i < kinds; i++) modem_connect_tones_rx(fax[i], from, n);
            for (int left = n; tones && left > 0; ) {
                int took = super_tone_rx(tones, from + n - left, left);
                if (took <= 0) break;
                left -= took;
            }
        }
        spent += now() - before;
        putchar('\n');
        if (dtmf) dtmf_rx_free(dtmf);
        if (cid) adsi_rx_free(cid);
        if (tones) super_tone_rx_free(tones);
        for (int i = 0; i < kinds; i++) modem_connect_tones_rx_free(fax[i]);
        free(clip);
    }
    printf("cpu %.6f\n", spent);
    return 0;
}
