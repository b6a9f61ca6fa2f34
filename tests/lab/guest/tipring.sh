# shellcheck shell=sh
# For scenarios with tipring (source it after lib.sh). FXO ports under test are dahdi/5 to dahdi/8; what feeds them is an
# exchange on dahdi/1 to dahdi/4.

cat >us.toml <<'END'
country = "us"
[contacts]
busy = "5550101"
silent = "5550102"
answers = "5550100"
[line.lab]
port = "dahdi/5"
transfer.complete = "hang-up"
END
export TIPRING_CONFIG="$PWD/us.toml"

# t LINE ARGUMENTS... - tipring on that line's FXO port, answering in JSON
t() { _line=$1; shift; tipring --line "dahdi/$(fxo "$_line")" --json "$@"; }

# own_exchange COUNTRY SCENARIO LINE... - tipring itself as the exchange on those lines' FXS ports
own_exchange() {
	_country=$1; _scenario=$2; shift 2
	_ports=; for _l; do _ports="$_ports --port dahdi/$(fxs "$_l")"; done
	# shellcheck disable=SC2086
	spawn exchange tipring -v exchange run --country "$_country" --scenario "$_scenario" $_ports
	# a fresh office channel reads an off-hook in its first 1250 ms as a flash
	sleep 2
}
exchange_down() { signal exchange TERM; wait_for 5 test -s exchange.rc; }

# on_hook_after LINE SECONDS SINCE - check that the FXO port goes on-hook, measured on the wire
on_hook_after() {
	if wire_wait "$1" "fxo onhook" "$2" "$3"; then
		check_between "line $1 on-hook after, ms" $(($(wire_at "$1" "fxo onhook" "$3") - $3)) 0 $(($2 * 1000))
	else
		fail "line $1 is still off-hook after $2 s"
	fi
}
# stays_on_hook LINE - check that it is on-hook now
stays_on_hook() { check_eq "line $1 is left" "$(wire_is "$1" fxo)" onhook; }

# transfer_in COUNTRY - a call on line 1 is moved warm past a busy and a silent target, with that country's exchange and facts; leaves answer.out
transfer_in() {
	note "in $1"
	sed -i "s/^country.*/country = \"$1\"/; /^transfer.complete/d" us.toml
	# where a recall code connects the two, the exchange says that it did
	case $1 in us|ca|gb|jp|nz) echo 'transfer.complete = "hang-up"' >>us.toml;; esac
	wire_clear
	spawn answer tipring --line dahdi/5 --json answer --transfer-to busy,silent,answers --warm --target-no-answer-after 14s
	sleep 1
	own_exchange "$1" incoming 1
	exit_of answer 180 0
	json_has answer.out '.transfer.target == "answers"'
	json_has answer.out '[.steps[] | select(.step == "dial") | .heard] | contains(["busy"])'
	json_has answer.out '[.steps[] | select(.result == "no-answer")] | length == 1'
	json_has answer.out '[.steps[] | select(.result == "caller is back")] | length >= 2'
	stays_on_hook 1
	exchange_down
	sleep 3
}

# lone_busy_in COUNTRY - the only target is busy: the caller is back, and the receiver was never put down
lone_busy_in() {
	note "in $1, a lone busy target"
	sed -i "s/^country.*/country = \"$1\"/" us.toml
	spawn answer tipring --line dahdi/5 --json answer --transfer-to busy --warm --stay 1s
	sleep 1
	own_exchange "$1" incoming 1
	exit_of answer 90 20
	json_has answer.out '[.steps[] | select(.result == "caller is back")] | length >= 1'
	json_has answer.out '[.steps[] | select(.step == "hang-up")] | length == 0'
	stays_on_hook 1
	exchange_down
	sleep 3
}
