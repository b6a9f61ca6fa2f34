# what: an exchange out of order, warm transfer: no recall tone, a flash unseen, one taken for a hang-up, a caller who leaves on hold, the cord pulled
# exchange: own
# wiring: labline
# timeout: 600
# needs: tipring
. /lab/tipring.sh
# faulty EXIT TARGETS FAULT CALL - leaves answer.out; the caller is one who tires
faulty() {
	note "$3; $4"
	printf 'about = "the lab"\n[fault]\n%b\n[[call]]\nat_s = 1.0\nfrom = "5551234"\n%b\n' "$3" "$4" >faulty.toml
	wire_clear
	spawn answer tipring --line dahdi/5 --json answer --transfer-to "$2" --warm
	sleep 1
	own_exchange us "$PWD/faulty.toml" 1
	exit_of answer 120 "$1"
	stays_on_hook 1
	exchange_down
	sleep 3
}

faulty 22 answers 'no_recall_tone = true' ''
faulty 0 answers 'flash_ignored = [1]' ''
check_between "flashes on the wire" "$(flash_widths 1 | awk '$1 < 1500' | wc -l)" 2 4
faulty 21 answers 'flash_taken_as_hang_up = [1]' ''
faulty 14 silent '' 'patience_s = 8.0'
# the battery fails while the silent target is called: whom we held is not claimed to be there
spawn answer tipring -v --line dahdi/5 --json answer --transfer-to silent --warm
sleep 1
own_exchange us incoming 1
says answer 60 'heard ringback'
unplug 1
exit_of answer 60 21
plug 1
stays_on_hook 1
