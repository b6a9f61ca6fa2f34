# what: warm transfer past a busy target as in Europe: 100 ms flash and R1 (gb), 300 ms flash, R1 and R4 (de), own exchange
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
# transfer_in COUNTRY FLASH-MS FLASHES
transfer_in() {
	sed -i "s/^country.*/country = \"$1\"/" us.toml
	wire_clear
	spawn answer tipring --line dahdi/5 --json answer --transfer-to busy,answers --warm
	sleep 1
	own_exchange $1 incoming 1
	exit_of answer 120 0
	json_has answer.out '.transfer.target == "answers"'
	json_has answer.out '[.steps[] | select(.step == "dial") | .heard] | contains(["busy"])'
	json_has answer.out '[.steps[] | select(.result == "caller is back")] | length == 1'
	# the last time on-hook is the hang-up, before the line is looked at
	_widths=$(flash_widths 1 | awk '$1 < 3000')
	# two more ask back where the release after R4 sounds like a refusal
	check_between "flashes on the wire in $1" "$(echo "$_widths" | wc -l)" "$3" $(($3 + 2))
	for _w in $_widths; do check_between "flash, ms" $_w $(($2 - 20)) $(($2 + 20)); done
	stays_on_hook 1
	exchange_down
	sleep 3
}
# consult, back, consult; and in Germany the hang-up's place is taken by R4
transfer_in gb 100 3
transfer_in de 300 4
