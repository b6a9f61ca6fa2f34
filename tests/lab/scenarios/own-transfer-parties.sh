# what: a target who refuses is released before the caller counts as back; a dip on the way back; a target who hangs up at once; lines where a hang-up drops both, or nobody said what it does
# exchange: own
# wiring: labline
# timeout: 600
# needs: tipring
. /lab/tipring.sh
# called SCENARIO ARGUMENTS... - one call on line 1 is answered and moved
called() {
	_scenario=$1; shift
	wire_clear
	spawn answer tipring -v --line dahdi/5 --json answer "$@"
	sleep 1
	own_exchange us "$_scenario" 1
}
over() { stays_on_hook 1; exchange_down; sleep 3; }

# a voice to be briefed with
own_exchange us idle 1
expect_exit 0 t 1 dial answers --record brief.wav --hangup-after 5s
over

called incoming --transfer-to 5550114 --brief brief.wav --stay 2s
exit_of answer 120 20
json_has answer.out '[.steps[] | select(.step == "brief") | .result] | any(. == "refused")'
json_has answer.out '[.steps[] | select(.result == "second party released")] | length == 1'
over

called incoming --transfer-to 5550114,5550113 --brief brief.wav
exit_of answer 150 0
json_has answer.out '.transfer.target == "5550113"'
over

printf '[[call]]\nat_s = 1.0\nfrom = "5551234"\n[[subscriber]]\nnumber = "5550201"\ndoes = "speaks"\nhangs_up_after_s = 0.8\n' >hasty.toml
called "$PWD/hasty.toml" --transfer-to 5550201,5550100 --warm
exit_of answer 120 0
json_has answer.out '.transfer.target == "5550100"'
json_has answer.out '[.steps[] | select(.result == "target hung up")] | length == 1'
over

# the pair is loose for a fifth of a second while we listen for the caller
called incoming --transfer-to busy --warm --stay 2s
says answer 60 'heard busy'
sleep 1.2
unplug 1; sleep 0.2; plug 1
exit_of answer 90 20
json_has answer.out '[.steps[] | select(.result == "caller is back")] | length >= 1'
over

note "a hang-up drops both here: refused, or over a second line"
sed -i 's/^transfer.complete.*/transfer.complete = "never"/' us.toml
called incoming --transfer-to answers --warm --stay 1s
exit_of answer 60 32
json_has answer.out '.outcome == "transfer-refused"'
check_eq "flashes on the wire" "$(flash_widths 1 | awk '$1 < 1500')" ""
over
wire_clear
spawn answer tipring -v --line dahdi/5 --json answer --transfer-to 5550106 --warm --second-line dahdi/6
sleep 1
spawn beside tipring exchange run --country us --scenario idle --port dahdi/2
own_exchange us incoming 1
exit_of answer 120 0
json_has answer.out '.outcome == "bridged" and .transfer.target == "5550106"'
stays_on_hook 2
signal beside TERM
over

note "nobody has said what a hang-up does here"
sed -i '/^transfer.complete/d' us.toml
called incoming --transfer-to answers --warm
exit_of answer 90 31
json_has answer.out '.outcome == "transfer-unproven" and (.transfer.assumes | contains("transfer.complete"))'
over
