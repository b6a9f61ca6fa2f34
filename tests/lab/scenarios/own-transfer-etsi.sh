# what: warm transfer past a busy and a silent target as in Europe: 100 ms flash and R1 (gb), 300 ms flash, R1 and R4 (de), own exchange
# exchange: own
# wiring: labline
# timeout: 600
# needs: tipring
. /lab/tipring.sh
# flashes_are COUNTRY FLASH-MS FLASHES
flashes_are() {
	# the last time on-hook is the hang-up, before the line is looked at
	_widths=$(flash_widths 1 | awk '$1 < 3000')
	# three more ask back where the release after R4 sounds like a refusal
	check_between "flashes on the wire in $1" "$(echo "$_widths" | wc -l)" "$3" $(($3 + 3))
	for _w in $_widths; do check_between "flash, ms" $_w $(($2 - 20)) $(($2 + 20)); done
}
# consult, back, consult; and in Germany the hang-up's place is taken by R4
transfer_in gb; flashes_are gb 100 5
transfer_in de; flashes_are de 300 6
