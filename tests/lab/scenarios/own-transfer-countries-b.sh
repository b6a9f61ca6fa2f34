# what: warm transfer past a busy and a silent target in Czechia, France and Australia, each by its own recall, tones and caller ID (own exchange)
# exchange: own
# wiring: labline
# timeout: 600
# needs: tipring
. /lab/tipring.sh
transfer_in cz
transfer_in fr
transfer_in au
