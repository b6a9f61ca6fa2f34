# what: warm transfer past a busy target in Sweden, Turkey, China and Norway, each by its own recall, tones and caller ID (own exchange)
# exchange: own
# wiring: labline
# needs: tipring
. /lab/tipring.sh
transfer_in se
transfer_in tr
transfer_in cn
transfer_in no
