// SPDX-License-Identifier: GPL-2.0
/*
 * labline - analog telephone lines without hardware, for testing DAHDI programs.
 *
 * Registers two DAHDI devices, one with an FXS span and one with an FXO span. FXS port n is wired to
 * FXO port n. Unlike dahdi_dynamic_loc (robbed-bit T1 emulation) it behaves to user space as the analog
 * card drivers do (wctdm, wctdm24xxp): span types FXS/FXO, hooksig operation, battery, polarity,
 * on-hook transmission, line voltage, hybrid echo, unplugged lines, a card that disappears.
 *
 *      FXS port n                        the pair                        FXO port n
 *   battery, ringing  --->  cord (unplug), loss, noise, echo  --->  battery, ring, polarity
 *   loop current      <---  another telephone (parallel)      <---  hook
 *
 * Parameters (all but lines may be changed at run time under /sys/module/labline/parameters; a mask has
 * bit n-1 for line n, and every value acts on all lines):
 *   lines=4        number of lines (load time only)
 *   unplug=0       mask of lines whose cord is out
 *   parallel=0     mask of lines with another telephone off-hook across the pair
 *   loss_db10=0    attenuation of the pair, each way, in 1/10 dB
 *   noise=0        peak of white noise on the pair, in linear 16-bit units
 *   strict_oht=1   the FXO side hears an on-hook FXS port only during ONHOOKTRANSFER and 6 s after a ring
 *   echo_fxo=0     hybrid echo heard by the FXO side, in 1/256 of its own sound; echo_fxs likewise
 *   echo_delay=24  in samples (up to 255)
 *   battery_mv=48000, offhook_mv=7000   line voltage on-hook and with one telephone off-hook
 *   dip_ms=N       writing takes the battery away from the lines of dip_mask for N ms, now
 *   dip_mask=-1
 *   remove=0       1: the FXO card disappears as a hot-unplugged one does; 0: it is back
 *   battdebounce=64, battalarm=1000, ringdebounce=64, poldebounce=64, hookdebounce=16: ms
 *
 * /proc/labline tells what happened on the wires, whoever has the ports open: a line "now MS", a line
 * "state LINE PARTY=STATE..." for each line, then one line "MS LINE PARTY STATE" per change, oldest
 * first, in a count of 1 ms ticks:
 *   fxo offhook|onhook            the FXO port's hook relay
 *   fxs idle|active|ring|open     what the FXS port feeds: battery, battery in a call, ringing, nothing
 *   loop closed|open              whether current flows, as the exchange could measure it
 *   battery on|off                at the FXO port: cord, FXS port and dips taken together
 *   polarity normal|reversed,  parallel offhook|onhook,  cord in|out,  card in|out
 * Writing anything to it forgets the log.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <dahdi/kernel.h>
#include <dahdi/wctdm_user.h>

#define MAXL 32
static int lines = 4;
static int unplug, parallel, loss_db10, noise, dip_mask = -1;
static int strict_oht = 1, echo_fxo, echo_fxs, echo_delay = 24;
static int battery_mv = 48000, offhook_mv = 7000;
static int battdebounce = 64, battalarm = 1000, ringdebounce = 64, poldebounce = 64, hookdebounce = 16;
module_param(lines, int, 0444);
module_param(unplug, int, 0644);
module_param(parallel, int, 0644);
module_param(loss_db10, int, 0644);
module_param(noise, int, 0644);
module_param(dip_mask, int, 0644);
module_param(strict_oht, int, 0644);
module_param(echo_fxo, int, 0644);
module_param(echo_fxs, int, 0644);
module_param(echo_delay, int, 0644);
module_param(battery_mv, int, 0644);
module_param(offhook_mv, int, 0644);
module_param(battdebounce, int, 0644);
module_param(battalarm, int, 0644);
module_param(ringdebounce, int, 0644);
module_param(poldebounce, int, 0644);
module_param(hookdebounce, int, 0644);

struct line {
	/* FXS port (subscriber line interface) */
	enum dahdi_txsig fxs_tx;
	int reversed, oht_ms, vmwi, vmwi_type;
	int loop, loop_ms;			/* debounced view of the far end's hook */
	/* FXO port */
	int offhook;
	int battery, batt_ms, alarm_ms;		/* -1 unknown, 0 lost, 1 present */
	int ringing, ring_ms;
	int pol, pol_ms;
	int neon;
	/* the pair */
	int dip_left;				/* ms of battery interruption still to come */
	int lifted, cord, current_flows, fed;	/* last logged: parallel telephone, cord, loop, battery */
	u32 rng;
	s32 gain[2][2];				/* [fxo][tx] hardware gain, 1/10 dB */
	short hist[2][256];			/* what each port sent: for its own echo */
	u8 hpos;
};

struct card {
	struct dahdi_device *ddev;
	struct dahdi_span span;
	struct dahdi_chan *chans[MAXL];
	int fxo, present;
};

static struct platform_device *pdev;
static struct card cards[2];			/* 0 FXS, 1 FXO */
static struct line *L;
static DEFINE_SPINLOCK(wires);			/* lines, their log, and which cards are present */
static DEFINE_MUTEX(plugging);			/* one removal or insertion at a time */

static struct card *to_card(struct dahdi_chan *c) { return container_of(c->span, struct card, span); }

/* ---- the log of the wires ---- */

#define LOGN 4096
static struct { u32 ms; u8 line; const char *what; } wire_log[LOGN];
static u32 ticks, logged;			/* ms since loading; entries ever written */

static void note(int i, const char *what)	/* caller holds `wires` */
{
	wire_log[logged % LOGN].ms = ticks;
	wire_log[logged % LOGN].line = i + 1;
	wire_log[logged % LOGN].what = what;
	logged++;
}

static void note_change(int i, int *last, int now, const char *yes, const char *no)
{
	if (*last == now)
		return;
	*last = now;
	note(i, now ? yes : no);
}

static const char *feed_name(enum dahdi_txsig sig)
{
	switch (sig) {
	case DAHDI_TXSIG_ONHOOK: return "fxs idle";
	case DAHDI_TXSIG_OFFHOOK: return "fxs active";
	case DAHDI_TXSIG_START: return "fxs ring";
	default: return "fxs open";
	}
}

static int log_show(struct seq_file *m, void *v)
{
	unsigned long flags;
	u32 k, end, now;
	int i;

	spin_lock_irqsave(&wires, flags);
	end = logged;
	now = ticks;
	spin_unlock_irqrestore(&wires, flags);
	seq_printf(m, "now %u\n", now);
	for (i = 0; i < lines; i++)
		seq_printf(m, "state %d fxo=%s fxs=%s loop=%s battery=%s polarity=%s parallel=%s cord=%s\n", i + 1,
			   L[i].offhook ? "offhook" : "onhook", feed_name(L[i].fxs_tx) + 4, L[i].current_flows ? "closed" : "open",
			   L[i].fed ? "on" : "off", L[i].reversed ? "reversed" : "normal", L[i].lifted ? "offhook" : "onhook",
			   L[i].cord ? "in" : "out");
	for (k = end > LOGN ? end - LOGN : 0; k < end; k++)
		seq_printf(m, "%u %d %s\n", wire_log[k % LOGN].ms, wire_log[k % LOGN].line, wire_log[k % LOGN].what);
	return 0;
}

static int log_open(struct inode *inode, struct file *file) { return single_open(file, log_show, NULL); }

static ssize_t log_forget(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	unsigned long flags;

	spin_lock_irqsave(&wires, flags);
	logged = 0;
	spin_unlock_irqrestore(&wires, flags);
	return n;
}

static const struct proc_ops log_ops = {
	.proc_open = log_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = log_forget,
};

/* ---- what DAHDI asks of a card ---- */

static int ll_hooksig(struct dahdi_chan *chan, enum dahdi_txsig sig)
{
	const int i = chan->chanpos - 1;
	struct line *l = &L[i];
	unsigned long flags;

	spin_lock_irqsave(&wires, flags);
	if (to_card(chan)->fxo) {
		note_change(i, &l->offhook, sig == DAHDI_TXSIG_OFFHOOK || sig == DAHDI_TXSIG_START,
			    "fxo offhook", "fxo onhook");
	} else {
		/* as wctdm does: six seconds of on-hook transmission after a ring, without being asked */
		if (l->fxs_tx == DAHDI_TXSIG_START && sig == DAHDI_TXSIG_OFFHOOK)
			l->oht_ms = 6000;
		if (l->fxs_tx != sig)
			note(i, feed_name(sig));
		l->fxs_tx = sig;
	}
	spin_unlock_irqrestore(&wires, flags);
	return 0;
}

/* at the FXO port: nothing without a cord or a feed, little when somebody draws current */
static int line_mv(const struct line *l, int i)
{
	const int off = l->offhook + !!(parallel & (1 << i));

	if ((unplug & (1 << i)) || l->fxs_tx == DAHDI_TXSIG_KEWL || l->dip_left)
		return 0;
	return off == 0 ? battery_mv : off == 1 ? offhook_mv : offhook_mv * 5 / 7;
}

static int ll_ioctl(struct dahdi_chan *chan, unsigned int cmd, unsigned long data)
{
	const int i = chan->chanpos - 1;
	struct line *l = &L[i];
	const int fxo = to_card(chan)->fxo;
	struct dahdi_hwgain g;
	struct wctdm_stats st;
	unsigned long flags;
	int x;

	switch (cmd) {
	case DAHDI_ONHOOKTRANSFER:
		if (fxo)
			return -EINVAL;
		if (get_user(x, (int __user *)data))
			return -EFAULT;
		l->oht_ms = x;
		return 0;
	case DAHDI_SETPOLARITY:
		if (fxo || l->fxs_tx == DAHDI_TXSIG_START || l->fxs_tx == DAHDI_TXSIG_KEWL)
			return -EINVAL;
		if (get_user(x, (int __user *)data))
			return -EFAULT;
		spin_lock_irqsave(&wires, flags);
		note_change(i, &l->reversed, !!x, "polarity reversed", "polarity normal");
		spin_unlock_irqrestore(&wires, flags);
		return 0;
	case DAHDI_VMWI_CONFIG:
		if (fxo)
			return -EINVAL;
		if (get_user(x, (int __user *)data))
			return -EFAULT;
		l->vmwi_type = x;
		return 0;
	case DAHDI_VMWI:
		if (fxo)
			return -EINVAL;
		if (get_user(x, (int __user *)data))
			return -EFAULT;
		l->vmwi = x;
		return 0;
	case DAHDI_SET_HWGAIN:
		if (copy_from_user(&g, (void __user *)data, sizeof(g)))
			return -EFAULT;
		l->gain[fxo][!!g.tx] = g.newgain;
		return 0;
	case WCTDM_GET_STATS:
		x = line_mv(l, i);
		if (l->reversed)
			x = -x;
		st.batvolt = -x;
		st.tipvolt = fxo ? -x : (x > 0 ? -2000 : -46000);
		st.ringvolt = fxo ? -x : (x > 0 ? -46000 : -2000);
		return copy_to_user((void __user *)data, &st, sizeof(st)) ? -EFAULT : 0;
	}
	return -ENOTTY;
}

static int ll_chanconfig(struct file *file, struct dahdi_chan *chan, int sigtype)
{
	return 0;
}

/* ---- the pair, a millisecond at a time ---- */

/* 1/10 dB steps; coarse integer approximation of 10^(g/200) in 1/256 */
static int gain256(int g)
{
	int v = 256;

	for (; g >= 10; g -= 10)
		v = v * 287 / 256;
	for (; g <= -10; g += 10)
		v = v * 228 / 256;
	return v;
}

static short clip(int x) { return x > 32767 ? 32767 : x < -32768 ? -32768 : x; }

static int hiss(struct line *l)
{
	if (!noise)
		return 0;
	l->rng ^= l->rng << 13;
	l->rng ^= l->rng >> 17;
	l->rng ^= l->rng << 5;
	return (int)(l->rng % (2 * noise + 1)) - noise;
}

static void line_audio(int i)
{
	struct line *l = &L[i];
	struct dahdi_chan *s = cards[0].present ? cards[0].chans[i] : NULL;
	struct dahdi_chan *o = cards[1].present ? cards[1].chans[i] : NULL;
	const int cord = !(unplug & (1 << i)) && !l->dip_left;
	const int talk = cord && l->offhook && l->fxs_tx == DAHDI_TXSIG_OFFHOOK;
	const int down = talk || (cord && l->offhook && l->fxs_tx == DAHDI_TXSIG_ONHOOK) ||
		(cord && l->fxs_tx != DAHDI_TXSIG_KEWL && l->fxs_tx != DAHDI_TXSIG_START &&
		 (l->oht_ms > 0 || !strict_oht));
	const int up = cord && l->offhook && l->fxs_tx != DAHDI_TXSIG_KEWL;
	/* a second telephone across the pair halves the impedance: 3.5 dB */
	const int pair = -loss_db10 - (parallel & (1 << i) ? 35 : 0);
	const int gs = gain256(l->gain[0][1] + l->gain[1][0] + pair);
	const int go = gain256(l->gain[1][1] + l->gain[0][0] + pair);
	int x;

	for (x = 0; x < DAHDI_CHUNKSIZE; x++) {
		int fs = s ? DAHDI_XLAW(s->writechunk[x], s) : 0, fo = o ? DAHDI_XLAW(o->writechunk[x], o) : 0;
		int d = (u8)(l->hpos - echo_delay);
		int rs = up ? fo * go / 256 + hiss(l) : 0, ro = down ? fs * gs / 256 + hiss(l) : 0;

		l->hist[0][l->hpos] = fs;
		l->hist[1][l->hpos] = l->offhook ? fo : 0;
		l->hpos++;
		if (echo_fxs)
			rs += l->hist[0][d] * echo_fxs / 256;
		if (echo_fxo && up)
			ro += l->hist[1][d] * echo_fxo / 256;
		if (s)
			s->readchunk[x] = DAHDI_LIN2X(clip(rs), s);
		if (o)
			o->readchunk[x] = DAHDI_LIN2X(clip(ro), o);
	}
}

/* what the FXS port senses: loop current */
static void sense_fxs(struct line *l, struct dahdi_chan *s, int loop)
{
	/* DAHDI wants the state again after CHANCONFIG / STARTUP */
	if (s->rxhooksig == DAHDI_RXSIG_INITIAL) {
		l->loop = !loop;
		l->loop_ms = hookdebounce;
	}
	if (loop == l->loop) {
		l->loop_ms = 0;
	} else if (++l->loop_ms >= hookdebounce) {
		l->loop = loop;
		l->loop_ms = 0;
		dahdi_hooksig(s, loop ? DAHDI_RXSIG_OFFHOOK : DAHDI_RXSIG_ONHOOK);
	}
}

/* what the FXO port senses: ringing, battery, polarity, message waiting by high voltage */
static void sense_fxo(struct line *l, struct dahdi_chan *o, int batt, int ring)
{
	const int pol = l->reversed ? -1 : 1;
	const int neon = l->vmwi && (l->vmwi_type & (DAHDI_VMWI_HVAC | DAHDI_VMWI_HVDC));

	if (o->rxhooksig == DAHDI_RXSIG_INITIAL)
		l->battery = -1;

	if (ring == l->ringing) {
		l->ring_ms = 0;
	} else if (++l->ring_ms >= ringdebounce) {
		l->ringing = ring;
		l->ring_ms = 0;
		if (ring)
			dahdi_hooksig(o, DAHDI_RXSIG_RING);
		else if (l->battery == 1)
			dahdi_hooksig(o, DAHDI_RXSIG_OFFHOOK);
	}

	if (batt == l->battery) {
		l->batt_ms = 0;
	} else if (++l->batt_ms >= battdebounce) {
		l->battery = batt;
		l->batt_ms = 0;
		dahdi_hooksig(o, batt ? DAHDI_RXSIG_OFFHOOK : DAHDI_RXSIG_ONHOOK);
		l->alarm_ms = max(1, battalarm - battdebounce);
	}
	if (l->alarm_ms && --l->alarm_ms == 0)
		dahdi_alarm_channel(o, l->battery == 1 ? DAHDI_ALARM_NONE : DAHDI_ALARM_RED);

	if (!batt || pol == l->pol) {
		l->pol_ms = 0;
	} else if (++l->pol_ms >= poldebounce) {
		if (l->pol)
			dahdi_qevent_lock(o, DAHDI_EVENT_POLARITY);
		l->pol = pol;
		l->pol_ms = 0;
	}

	if (neon != l->neon && batt && !l->offhook) {
		l->neon = neon;
		dahdi_qevent_lock(o, neon ? DAHDI_EVENT_NEONMWI_ACTIVE : DAHDI_EVENT_NEONMWI_INACTIVE);
	}
}

static void line_tick(int i)
{
	struct line *l = &L[i];
	const int lifted = !!(parallel & (1 << i)), cord = !(unplug & (1 << i));
	const int fed = l->fxs_tx != DAHDI_TXSIG_KEWL && !l->dip_left;
	const int batt = cord && fed, loop = batt && (l->offhook || lifted);
	const int ring = cord && l->fxs_tx == DAHDI_TXSIG_START && !l->offhook && !lifted;
	unsigned long flags;

	spin_lock_irqsave(&wires, flags);
	note_change(i, &l->lifted, lifted, "parallel offhook", "parallel onhook");
	note_change(i, &l->cord, cord, "cord in", "cord out");
	note_change(i, &l->fed, batt, "battery on", "battery off");
	note_change(i, &l->current_flows, loop, "loop closed", "loop open");
	if (l->oht_ms > 0)
		l->oht_ms--;
	if (l->dip_left > 0)
		l->dip_left--;
	spin_unlock_irqrestore(&wires, flags);

	/* not under `wires`: these take the channel's lock, under which DAHDI calls ll_hooksig() */
	if (cards[0].present)
		sense_fxs(l, cards[0].chans[i], cord && (l->offhook || lifted));
	if (cards[1].present)
		sense_fxo(l, cards[1].chans[i], batt, ring);
	line_audio(i);
}

/* called by the core once per 1 ms chunk for every span; the FXS card is always there and keeps the time */
static void ll_sync_tick(struct dahdi_span *span, int is_master)
{
	int i;

	if (span != &cards[0].span)
		return;
	ticks++;
	for (i = 0; i < 2; i++)
		if (cards[i].present)
			dahdi_transmit(&cards[i].span);
	for (i = 0; i < lines; i++)
		line_tick(i);
	for (i = 0; i < 2; i++)
		if (cards[i].present) {
			dahdi_ec_span(&cards[i].span);
			dahdi_receive(&cards[i].span);
		}
}

static const struct dahdi_span_ops ll_ops = {
	.owner = THIS_MODULE,
	.hooksig = ll_hooksig,
	.ioctl = ll_ioctl,
	.chanconfig = ll_chanconfig,
	.sync_tick = ll_sync_tick,
};

/* ---- cards come and go ---- */

static void card_free(struct card *c)
{
	int i;

	for (i = 0; i < MAXL; i++) {
		kfree(c->chans[i]);
		c->chans[i] = NULL;
	}
	if (c->ddev)
		dahdi_free_device(c->ddev);
	c->ddev = NULL;
}

static int card_add(struct card *c, int fxo)
{
	const char *n = fxo ? "FXO" : "FXS";
	int i, r;

	memset(&c->span, 0, sizeof(c->span));
	c->fxo = fxo;
	c->ddev = dahdi_create_device();
	if (!c->ddev)
		return -ENOMEM;
	c->ddev->manufacturer = "tipring lab";
	c->ddev->devicetype = fxo ? "labline FXO" : "labline FXS";
	c->ddev->location = fxo ? "labline 1" : "labline 0";
	c->ddev->hardware_id = fxo ? "labline:fxo" : "labline:fxs";
	for (i = 0; i < lines; i++) {
		c->chans[i] = kzalloc(sizeof(*c->chans[i]), GFP_KERNEL);
		if (!c->chans[i]) {
			card_free(c);
			return -ENOMEM;
		}
		snprintf(c->chans[i]->name, sizeof(c->chans[i]->name), "LAB%s/0/%d", n, i);
		c->chans[i]->sigcap = fxo ? DAHDI_SIG_FXSKS | DAHDI_SIG_FXSLS | DAHDI_SIG_SF | DAHDI_SIG_CLEAR :
			DAHDI_SIG_FXOKS | DAHDI_SIG_FXOLS | DAHDI_SIG_FXOGS | DAHDI_SIG_SF | DAHDI_SIG_EM | DAHDI_SIG_CLEAR;
		c->chans[i]->chanpos = i + 1;
		c->chans[i]->pvt = c;
	}
	snprintf(c->span.name, sizeof(c->span.name), "LAB%s/0", n);
	snprintf(c->span.desc, sizeof(c->span.desc), "labline %s board", n);
	c->span.deflaw = DAHDI_LAW_MULAW;
	c->span.flags = DAHDI_FLAG_RBS;
	c->span.cannot_provide_timing = 1;
	c->span.spantype = fxo ? SPANTYPE_ANALOG_FXO : SPANTYPE_ANALOG_FXS;
	c->span.chans = c->chans;
	c->span.channels = lines;
	c->span.ops = &ll_ops;
	list_add_tail(&c->span.device_node, &c->ddev->spans);
	dev_set_name(&c->ddev->dev, "labline:%d", fxo);
	r = dahdi_register_device(c->ddev, &pdev->dev);
	if (r)
		card_free(c);
	else
		c->present = 1;
	return r;
}

/* an open channel gets REMOVED, a second to read it, and then a dead descriptor: DAHDI's own doing */
static void card_remove(struct card *c)
{
	unsigned long flags;
	int i;

	if (!c->present)
		return;
	c->present = 0;
	synchronize_rcu();			/* a tick that still sees the card has ended */
	spin_lock_irqsave(&wires, flags);
	for (i = 0; c->fxo && i < lines; i++) {
		/* the relay falls back when the card loses its power, whoever had the port open */
		note_change(i, &L[i].offhook, 0, "fxo offhook", "fxo onhook");
		L[i].battery = -1;
		L[i].alarm_ms = L[i].pol = L[i].neon = L[i].ringing = 0;
	}
	spin_unlock_irqrestore(&wires, flags);
	dahdi_unregister_device(c->ddev);
	card_free(c);
}

static int removed;

static void replug(struct work_struct *w)
{
	unsigned long flags;

	mutex_lock(&plugging);
	if (removed && cards[1].present)
		card_remove(&cards[1]);
	else if (!removed && !cards[1].present && card_add(&cards[1], 1))
		pr_err("labline: the FXO card does not come back\n");
	else
		goto out;
	spin_lock_irqsave(&wires, flags);
	note(0, removed ? "card out" : "card in");
	spin_unlock_irqrestore(&wires, flags);
out:
	mutex_unlock(&plugging);
}
static DECLARE_WORK(replug_work, replug);

static int set_remove(const char *val, const struct kernel_param *kp)
{
	int r = param_set_int(val, kp);

	/* in a work item, as a bus reports it: the writer does not wait for the programs that hold channels */
	if (!r && pdev)
		schedule_work(&replug_work);
	return r;
}
static const struct kernel_param_ops remove_ops = { .set = set_remove, .get = param_get_int };
module_param_cb(remove, &remove_ops, &removed, 0644);

static int dip_ms;

static int set_dip(const char *val, const struct kernel_param *kp)
{
	unsigned long flags;
	int i, r = param_set_int(val, kp);

	if (r || !L)
		return r;
	spin_lock_irqsave(&wires, flags);
	for (i = 0; i < lines; i++)
		if (dip_mask & (1 << i))
			L[i].dip_left = max(0, dip_ms);
	spin_unlock_irqrestore(&wires, flags);
	return 0;
}
static const struct kernel_param_ops dip_ops = { .set = set_dip, .get = param_get_int };
module_param_cb(dip_ms, &dip_ops, &dip_ms, 0644);

static int __init ll_init(void)
{
	int r, i;

	if (lines < 1 || lines > MAXL)
		return -EINVAL;
	L = kcalloc(lines, sizeof(*L), GFP_KERNEL);
	if (!L)
		return -ENOMEM;
	for (i = 0; i < lines; i++) {
		L[i].battery = -1;
		L[i].cord = L[i].fed = 1;
		L[i].rng = 2463534242u + i;
	}
	pdev = platform_device_register_simple("labline", -1, NULL, 0);
	if (IS_ERR(pdev)) {
		r = PTR_ERR(pdev);
		goto no_device;
	}
	r = card_add(&cards[0], 0);
	if (r)
		goto no_fxs;
	r = card_add(&cards[1], 1);
	if (r)
		goto no_fxo;
	if (proc_create("labline", 0644, NULL, &log_ops))
		return 0;
	r = -ENOMEM;
	card_remove(&cards[1]);
no_fxo:
	card_remove(&cards[0]);
no_fxs:
	platform_device_unregister(pdev);
no_device:
	pdev = NULL;
	kfree(L);
	return r;
}

static void __exit ll_exit(void)
{
	remove_proc_entry("labline", NULL);
	cancel_work_sync(&replug_work);
	card_remove(&cards[1]);
	card_remove(&cards[0]);
	platform_device_unregister(pdev);
	kfree(L);
}

module_init(ll_init);
module_exit(ll_exit);
MODULE_LICENSE("GPL v2");
MODULE_DESCRIPTION("Analog telephone lines without hardware for DAHDI");
