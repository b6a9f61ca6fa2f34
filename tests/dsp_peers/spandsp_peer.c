/* An independent ear and mouth for the tests: spandsp, one action a run, 16 bit samples at 8 kHz on standard input or output.
 * Built when the tests run, never part of the product.
 *
 *   dtmf-tx DIGITS ON_MS OFF_MS        samples out
 *   dtmf-rx                            digits out
 *   cid-tx class|clip|dtmf NUMBER NAME DATE   samples out
 *   cid-rx class|clip|dtmf             fields out: TYPE=VALUE, or a code and a value
 *   alert-tx                           the alert that comes before caller ID, between two silences
 *   modem-tx KIND                      five seconds of what modems begin with, as spandsp numbers it
 *   flags-tx                           a second of flags at 300 bit/s, V.21 channel 2
 *   tone-tx F1 F2 ON_MS OFF_MS         ten seconds of samples out
 *   tone-rx F1 F2 [F1 F2 ...]          listens for pairs; a line for each stretch: the places of the two frequencies
 *                                      among those listened for (-1: none), and milliseconds
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define SPANDSP_EXPOSE_INTERNAL_STRUCTURES
#include <spandsp.h>

static int16_t amp[160];

static void out(const int16_t *samples, int n)
{
    if (n > 0 && fwrite(samples, sizeof samples[0], n, stdout) != (size_t)n) exit(3);
}

static int in(void)
{
    return (int)fread(amp, sizeof amp[0], 160, stdin);
}

static void silence(int samples)
{
    int16_t zero[160] = {0};
    for (; samples > 0; samples -= 160) out(zero, samples < 160 ? samples : 160);
}

static int standard(const char *name)
{
    if (!strcmp(name, "class")) return ADSI_STANDARD_CLASS;
    if (!strcmp(name, "clip")) return ADSI_STANDARD_CLIP;
    return ADSI_STANDARD_CLIP_DTMF;
}

static int cid_standard;
static adsi_rx_state_t *cid;

static void cid_message(void *user, const uint8_t *msg, int len)
{
    uint8_t type;
    const uint8_t *body;
    int length, pos = -1;
    do {
        pos = adsi_next_field(cid, msg, len, pos, &type, &body, &length);
        if (pos > 0 && body) printf("%02x=%.*s\n", type, length, (const char *)body);
    } while (pos > 0 && pos < len);
    (void)user;
}

static int flag_bit(void *user)
{
    static int at;
    (void)user;
    return 0x7E >> (at++ % 8) & 1;
}

static void tone_heard(void *user, int code, int level, int delay)
{
    (void)user; (void)code; (void)level; (void)delay;
}

static void segment_heard(void *user, int f1, int f2, int duration)
{
    printf("%d %d %d\n", f1, f2, duration);
    (void)user;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int n;
    if (!strcmp(what, "dtmf-tx") && argc == 5) {
        dtmf_tx_state_t *s = dtmf_tx_init(NULL);
        dtmf_tx_set_timing(s, atoi(argv[3]), atoi(argv[4]));
        silence(1600);
        dtmf_tx_put(s, argv[2], -1);
        while ((n = dtmf_tx(s, amp, 160)) > 0) out(amp, n);
        silence(1600);
    } else if (!strcmp(what, "dtmf-rx")) {
        dtmf_rx_state_t *s = dtmf_rx_init(NULL, NULL, NULL);
        char digits[129];
        while ((n = in()) > 0) {
            dtmf_rx(s, amp, n);
            size_t got = dtmf_rx_get(s, digits, 128);
            fwrite(digits, 1, got, stdout);
        }
    } else if (!strcmp(what, "cid-tx") && argc == 6) {
        uint8_t msg[256];
        cid_standard = standard(argv[2]);
        adsi_tx_state_t *s = adsi_tx_init(NULL, cid_standard);
        int len;
        if (cid_standard == ADSI_STANDARD_CLIP_DTMF) {
            len = adsi_add_field(s, msg, -1, CLIP_DTMF_C_TERMINATED, NULL, 0);
            len = adsi_add_field(s, msg, len, CLIP_DTMF_C_CALLER_NUMBER, (uint8_t *)argv[3], (int)strlen(argv[3]));
        } else {
            len = adsi_add_field(s, msg, -1, CLASS_MDMF_CALLERID, NULL, 0);
            len = adsi_add_field(s, msg, len, MCLASS_DATETIME, (uint8_t *)argv[5], (int)strlen(argv[5]));
            len = adsi_add_field(s, msg, len, MCLASS_CALLER_NUMBER, (uint8_t *)argv[3], (int)strlen(argv[3]));
            len = adsi_add_field(s, msg, len, MCLASS_CALLER_NAME, (uint8_t *)argv[4], (int)strlen(argv[4]));
        }
        silence(1600);
        if (adsi_tx_put_message(s, msg, len) < 0) return 2;
        for (int i = 0; i < 500; i++) {
            memset(amp, 0, sizeof amp);
            adsi_tx(s, amp, 160);
            out(amp, 160);
        }
    } else if (!strcmp(what, "cid-rx") && argc == 3) {
        cid_standard = standard(argv[2]);
        cid = adsi_rx_init(NULL, cid_standard, cid_message, NULL);
        while ((n = in()) > 0) adsi_rx(cid, amp, n);
    } else if (!strcmp(what, "alert-tx") && argc == 2) {
        adsi_tx_state_t *s = adsi_tx_init(NULL, ADSI_STANDARD_CLIP);
        silence(4000);
        adsi_tx_send_alert_tone(s);
        for (int i = 0; i < 10; i++) {
            memset(amp, 0, sizeof amp);
            adsi_tx(s, amp, 160);
            out(amp, 160);
        }
        silence(4000);
    } else if (!strcmp(what, "modem-tx") && argc == 3) {
        modem_connect_tones_tx_state_t *s = modem_connect_tones_tx_init(NULL, atoi(argv[2]));
        silence(3200);
        for (int i = 0; i < 250; i++) {
            memset(amp, 0, sizeof amp);
            modem_connect_tones_tx(s, amp, 160);
            out(amp, 160);
        }
    } else if (!strcmp(what, "flags-tx") && argc == 2) {
        fsk_tx_state_t *s = fsk_tx_init(NULL, &preset_fsk_specs[FSK_V21CH2], flag_bit, NULL);
        silence(3200);
        for (int i = 0; i < 50; i++) {
            int n = fsk_tx(s, amp, 160);
            out(amp, n);
        }
        silence(3200);
    } else if (!strcmp(what, "tone-tx") && argc == 6) {
        super_tone_tx_step_t *on = super_tone_tx_make_step(NULL, atof(argv[2]), -13, atof(argv[3]), -13, atoi(argv[4]), 1);
        if (atoi(argv[5])) on->next = super_tone_tx_make_step(NULL, 0, 0, 0, 0, atoi(argv[5]), 1);
        super_tone_tx_step_t *whole = super_tone_tx_make_step(NULL, 0, 0, 0, 0, 0, 0);
        whole->nest = on;
        super_tone_tx_state_t *s = super_tone_tx_init(NULL, whole);
        silence(3200);
        for (int i = 0; i < 500; i++) {
            memset(amp, 0, sizeof amp);
            if (super_tone_tx(s, amp, 160) <= 0) break;
            out(amp, 160);
        }
    } else if (!strcmp(what, "tone-rx") && argc >= 4) {
        super_tone_rx_descriptor_t *d = super_tone_rx_make_descriptor(NULL);
        for (int i = 2; i + 1 < argc; i += 2) {
            int tone = super_tone_rx_add_tone(d);
            super_tone_rx_add_element(d, tone, atoi(argv[i]), atoi(argv[i + 1]), 100, 0);
            super_tone_rx_add_element(d, tone, -1, -1, 100, 0);
        }
        super_tone_rx_state_t *s = super_tone_rx_init(NULL, d, tone_heard, NULL);
        super_tone_rx_segment_callback(s, segment_heard);
        while ((n = in()) > 0) {
            int16_t *at = amp;
            while (n > 0) {
                int took = super_tone_rx(s, at, n);
                if (took <= 0) break;
                at += took;
                n -= took;
            }
        }
    } else {
        fprintf(stderr, "unknown action\n");
        return 2;
    }
    return 0;
}
