# what: warm transfer past a busy and a silent target in Sweden, Turkey, China and Norway, each by its own recall, tones and caller ID (own exchange)
# exchange: own
# wiring: labline
# timeout: 600
# needs: tipring
. /lab/tipring.sh
transfer_in se
transfer_in tr
transfer_in cn
transfer_in no
