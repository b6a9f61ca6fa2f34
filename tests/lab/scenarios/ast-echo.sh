# what: Asterisk's echo: what we play comes back at full level, and nothing comes back from who only listens
# exchange: asterisk
# wiring: labline
# needs: tipring
. /lab/tipring.sh
# 8.2 s of 1000 Hz, 8 kHz, 8 bit: one cycle of eight samples, doubled thirteen times
{
	printf 'RIFF\044\000\001\000WAVEfmt \020\000\000\000\001\000\001\000\100\037\000\000\100\037\000\000\001\000\010\000data\000\000\001\000'
	printf '\200\227\240\227\200\151\140\151' >cycles
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13; do cat cycles cycles >more; mv more cycles; done
	cat cycles
} >tone.wav
# power FILE - of the seconds in which we sent: heard (left) against sent (right), in per mille
power() {
	tail -c +45 "$1" | od -An -v -t d2 | awk '
		{ for (i = 1; i < NF; i += 2) { h += $i * $i; s += $(i + 1) * $(i + 1); if (++n == 8000) { if (s > 8000 * 1000000) { H += h; S += s } n = h = s = 0 } } }
		END { printf "%d\n", S ? 1000 * H / S : -1 }'
}
expect_exit 0 t 1 dial 601 --play tone.wav --record echo.wav
check_between "power that came back of what we sent, per mille" "$(power echo.wav)" 500 1500
sleep 3
# the same towards a subscriber who only listens: no echo but the exchange's
spawn c labphone 6 event RINGBEGIN 60000 sleep 5000 offhook sleep 30000
expect_exit 0 t 1 dial 102 --play tone.wav --record quiet.wav
check_between "power that came back from who only listens, per mille" "$(power quiet.wav)" 0 50
stays_on_hook 1
check "asterisk idle" asterisk_idle
