/* spandsp as a peer: what it sends and hears, as raw 16 bit samples at 8 kHz on stdin and stdout. A test builds this with
 * the machine's own libspandsp (LGPL); it is no part of the program.
 *
 *   dtmf-tx DIGITS | dtmf-rx | cid-tx STANDARD NUMBER NAME | cid-rx STANDARD        (standard: 1 CLASS, 2 CLIP)
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <spandsp.h>

static void put(const int16_t *amp, int n) { fwrite(amp, 2, n, stdout); }

static void heard(void *user, const uint8_t *msg, int len)
{
	int i;

	(void) user;
	for (i = 0; i < len; i++)
		printf("%02x", msg[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	int16_t amp[160];
	int n, i;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "dtmf-tx") && argc > 2) {
		dtmf_tx_state_t *s = dtmf_tx_init(NULL);
		memset(amp, 0, sizeof amp);
		for (i = 0; i < 10; i++)
			put(amp, 160);
		dtmf_tx_put(s, argv[2], -1);
		while ((n = dtmf_tx(s, amp, 160)) > 0)
			put(amp, n);
		memset(amp, 0, sizeof amp);
		for (i = 0; i < 10; i++)
			put(amp, 160);
	} else if (!strcmp(argv[1], "dtmf-rx")) {
		char digits[129];
		dtmf_rx_state_t *s = dtmf_rx_init(NULL, NULL, NULL);
		while ((n = fread(amp, 2, 160, stdin)) > 0)
			dtmf_rx(s, amp, n);
		dtmf_rx_get(s, digits, 128);
		printf("%s\n", digits);
	} else if (!strcmp(argv[1], "cid-tx") && argc > 4) {
		uint8_t msg[256];
		int standard = atoi(argv[2]), len;
		int type = standard == ADSI_STANDARD_CLASS ? CLASS_MDMF_CALLERID : CLIP_MDMF_CALLERID;
		int number = standard == ADSI_STANDARD_CLASS ? MCLASS_CALLER_NUMBER : CLIP_CALLER_NUMBER;
		int name = standard == ADSI_STANDARD_CLASS ? MCLASS_CALLER_NAME : CLIP_CALLER_NAME;
		adsi_tx_state_t *s = adsi_tx_init(NULL, standard);
		len = adsi_add_field(s, msg, -1, type, NULL, 0);
		len = adsi_add_field(s, msg, len, number, (uint8_t *) argv[3], strlen(argv[3]));
		len = adsi_add_field(s, msg, len, name, (uint8_t *) argv[4], strlen(argv[4]));
		adsi_tx_put_message(s, msg, len);
		for (i = 0; i < 200; i++) {
			memset(amp, 0, sizeof amp);
			adsi_tx(s, amp, 160);
			put(amp, 160);
		}
	} else if (!strcmp(argv[1], "cid-rx") && argc > 2) {
		adsi_rx_state_t *s = adsi_rx_init(NULL, atoi(argv[2]), heard, NULL);
		while ((n = fread(amp, 2, 160, stdin)) > 0)
			adsi_rx(s, amp, n);
	} else {
		return 2;
	}
	return 0;
}
