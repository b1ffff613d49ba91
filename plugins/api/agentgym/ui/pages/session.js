/* SPDX-License-Identifier: Apache-2.0 */
/* One training session: live charts, control, checkpoints and the event log. */
import {api} from '../api.js';
import {LineChart, wilson} from '../charts.js';
import {badge, button, confirmDialog, empty, facts, field, fmt, formDialog, guarded, h, metricText, pageHead, put,
    progress, table, toast} from '../dom.js';
import {isOver, LiveSession} from '../live.js';
import {activeSession, setActiveSession} from '../store.js';
import {advancedFields, bodyOf, FRAMEWORKS} from './start.js';

const LOG_MAX = 500;
const DRAW_MS = 40;
const linkWords = {
    live: 'Live', polling: 'Polling every 2 s', ended: 'Ended', lost: 'No connection', opening: 'Connecting',
};

function reasonText(reason) {
    return reason ? ` (${reason.replace(/_/g, ' ')})` : '';
}

/* One line of the log for an event of the socket. */
function eventText(message) {
    const data = message.data;

    switch (message.type) {
    case 'evaluation': {
        const [low, high] = data.accuracy_ci95;
        return ['Evaluation', `episode ${data.episode}: ${fmt.percent((100 * data.successes) / data.episodes)} `
            + `of ${fmt.integer(data.episodes)} (95 %: ${low.toFixed(1)} to ${high.toFixed(1)}), `
            + `return ${fmt.number(data.mean_return)}${data.targets_met ? ', targets met' : ''}`];
    }
    case 'status':
        return ['Status', `${data.from ? `${data.from} → ` : ''}${data.to}${reasonText(data.reason)}`];
    case 'checkpoint':
        return ['Checkpoint', `${data.id || ''} at episode ${data.episode}${data.kind ? ` (${data.kind})` : ''}`];
    case 'model_saved':
        return ['Model', h('a', {href: `#/models/${data.model_id}`}, data.model_id)];
    default:
        return [message.type, ''];
    }
}

/* All that is known of the session, and the nodes that show it. */
class SessionPage {
    constructor(view, session, scenario) {
        this.view = view;
        this.id = session.session_id;
        this.session = session;
        this.scenario = scenario;
        this.rows = new Map();
        this.evaluations = new Map();
        this.logged = new Set();
        this.link = 'opening';
        this.isDrawn = false;
        this.charts = {
            reward: new LineChart({title: 'Reward', digits: 2}),
            accuracy: new LineChart({title: 'Accuracy', digits: 1, unit: ' %', min: 0, max: 100}),
            loss: new LineChart({title: 'Loss', digits: 4}),
        };
        this.head = h('div');
        this.summary = h('section', {class: 'card', 'aria-label': 'Status'});
        this.log = h('ol', {class: 'log', tabindex: '0', 'aria-label': 'Event log'});
        this.checkpoints = h('div');
        this.data = h('div');
    }

    start() {
        const charts = h('div', {class: 'charts'}, Object.values(this.charts).map((chart) =>
            h('section', {class: 'card'}, chart.node)));
        const rows = h('details', {class: 'card', ontoggle: () => this.drawRows()},
            h('summary', null, 'Figures as a table'), this.data);

        this.rowsBox = rows;
        this.view.show(this.head, this.summary, charts,
            h('div', {class: 'two'}, h('section', {class: 'card'}, h('h2', null, 'Events'), this.log),
                h('section', {class: 'card'}, h('h2', null, 'Checkpoints'), this.checkpoints)), rows);
        this.live = new LiveSession(this.id, {
            session: (session) => this.take(session),
            rows: (list) => this.takeRows(list),
            event: (message) => this.takeEvent(message),
            gap: (message) => this.takeGap(message),
            state: (state) => {
                this.link = state;
                this.want();
            },
        });
        this.view.onClose(() => this.live.close());
        this.loadRows();
        this.loadCheckpoints();
        this.draw();
    }

    async loadRows() {
        await guarded(null, async () => this.takeRows(await api.history(this.id)));
    }

    async loadCheckpoints() {
        try {
            this.drawCheckpoints(await api.checkpoints(this.id));
        } catch (error) {
            put(this.checkpoints, empty(error.message));
        }
    }

    take(session) {
        const before = this.session.status;

        this.session = session;
        if (session.evaluation?.episodes > 0 && !isOver(session.status))
            this.evaluationSize = session.evaluation.episodes;
        if (session.evaluation?.episodes > 0)
            this.evaluations.set(session.evaluation.episode, session.evaluation);
        if (isOver(session.status) && !isOver(before))
            this.ended(session);
        this.want();
    }

    ended(session) {
        if (activeSession() === this.id)
            setActiveSession('');
        if (session.status === 'failed')
            toast(session.error?.message || 'The session failed.', 'error');
        this.loadCheckpoints();
        this.loadRows();
    }

    takeRows(list) {
        for (const row of list)
            this.rows.set(row.episode, row);
        this.want();
    }

    takeEvent(message) {
        const key = `${message.type}-${message.seq}`;

        if (this.logged.has(key))
            return;
        this.logged.add(key);
        if (message.type === 'status' && message.data.from === message.data.to)
            return;
        const [kind, text] = eventText(message);

        this.log.prepend(h('li', {class: `event is-${message.type}`}, h('span', {class: 'event-kind'}, kind),
            h('span', null, text)));
        while (this.log.children.length > LOG_MAX)
            this.log.lastChild.remove();
        if (message.type === 'evaluation')
            this.evaluations.set(message.data.episode, message.data);
        if (message.type === 'checkpoint')
            this.loadCheckpointsSoon();
        this.want();
    }

    /* The server no longer has these events; what they said about episodes is in the history. */
    takeGap(message) {
        this.log.prepend(h('li', {class: 'event'}, h('span', {class: 'event-kind'}, 'Earlier'),
            h('span', null, `Events ${message.from} to ${message.to} are no longer kept. `
                + 'Charts and checkpoints are complete.')));
        this.loadRows();
    }

    /* A replay brings many checkpoints at once; the list is read once. */
    loadCheckpointsSoon() {
        clearTimeout(this.checkpointTimer);
        this.checkpointTimer = setTimeout(() => this.view.isOpen && this.loadCheckpoints(), 400);
    }

    /* Draws at most 25 times a second. */
    want() {
        if (this.isDrawn)
            return;
        this.isDrawn = true;
        setTimeout(() => {
            this.isDrawn = false;
            if (this.view.isOpen)
                this.draw();
        }, DRAW_MS);
    }

    draw() {
        this.drawHead();
        this.drawSummary();
        this.drawCharts();
        this.drawRows();
    }

    async control(name, event) {
        await guarded(event.currentTarget, async () => {
            await api[name](this.id);
            this.take(await api.session(this.id));
        });
    }

    async stop(event) {
        const control = event.currentTarget;
        const save = await confirmStop();

        if (save === undefined)
            return;
        await guarded(control, async () => {
            const answer = await api.stop(this.id, save);
            if (answer.model_id)
                toast(`Saved as ${answer.model_id}.`);
            this.take(await api.session(this.id));
        });
    }

    async fork(checkpointId) {
        const started = await formDialog('Continue in a new session', [
            h('p', {class: 'muted'}, 'Fields left empty keep the values of this session.'),
            h('div', {class: 'form-grid'},
                field('checkpoint_id', 'Checkpoint', {value: checkpointId || '', placeholder: 'the newest'}),
                field('max_episodes', 'Episodes in all', {type: 'number', min: 1, max: 1000, step: 1,
                    value: Math.min(1000, this.session.max_episodes * 2)}),
                field('learning_rate', 'Learning rate', {type: 'number', step: 'any', min: 0, max: 1,
                    placeholder: String(this.session.learning_rate)}),
                field('framework', 'Framework', {value: this.session.framework}, FRAMEWORKS)),
            advancedFields()], 'Continue', (form) => api.fork(this.id, bodyOf(form)));

        if (started) {
            setActiveSession(started.session_id);
            location.hash = `#/training/${started.session_id}`;
        }
    }

    async remove(event) {
        const control = event.currentTarget;

        if (!await confirmDialog('Delete session',
            'Its history and checkpoints are removed. Models made from it stay.', 'Delete'))
            return;
        await guarded(control, async () => {
            await api.deleteSession(this.id);
            location.hash = '#/training';
        });
    }

    actions() {
        const status = this.session.status;
        const out = [];

        if (status === 'running' || status === 'pending')
            out.push(button('Pause', (event) => this.control('pause', event)));
        if (status === 'paused')
            out.push(button('Resume', (event) => this.control('resume', event), {class: 'button primary'}));
        if (['running', 'pending', 'paused', 'pausing'].includes(status))
            out.push(button('Stop', (event) => this.stop(event), {class: 'button danger'}));
        if (this.session.model_id)
            out.push(h('a', {class: 'button primary', href: `#/models/${this.session.model_id}`}, 'Model'));
        out.push(button('Fork', () => guarded(null, () => this.fork(''))));
        if (isOver(status))
            out.push(button('Delete', (event) => this.remove(event), {class: 'button danger'}));
        return out;
    }

    drawHead() {
        const key = [this.session.status, this.session.model_id, this.link].join();

        if (key === this.headKey) /* buttons stay where they are while one is pressed */
            return;
        this.headKey = key;
        put(this.head, pageHead(this.session.name || this.id,
            `${this.scenario?.name ?? this.session.scenario_id}, ${this.session.algorithm}, `
            + `${this.session.framework}`,
            badge(this.session.status), h('span', {class: `link is-${this.link}`, role: 'status'},
                linkWords[this.link]), ...this.actions()));
    }

    drawSummary() {
        const one = this.session;
        const evaluation = one.evaluation?.episodes > 0 ? one.evaluation : null;
        const figure = (label, value, note) => h('div', {class: 'figure'},
            h('span', {class: 'tile-label'}, label), h('span', {class: 'figure-value'}, value),
            h('span', {class: 'tile-note'}, note));
        const isOpen = this.summary.querySelector('details')?.open;

        put(this.summary,
            h('div', {class: 'progress-line'}, progress(one.current_episode, one.max_episodes, 'Episodes'),
                h('span', null, `Episode ${one.current_episode} of ${one.max_episodes}`),
                one.queue_position > 0 && h('span', null, `place ${one.queue_position} in the queue`)),
            one.error && h('p', {class: 'problem', role: 'alert'},
                `${one.error.message} (episode ${one.error.episode})`),
            h('div', {class: 'figures'},
                figure('Accuracy', fmt.percent(one.accuracy), evaluation
                    ? `95 %: ${evaluation.accuracy_ci95.map((v) => v.toFixed(1)).join(' to ')}`
                    : 'not evaluated yet'),
                figure('Mean reward', fmt.number(one.avg_reward), 'last 100 tickets'),
                figure('Loss', fmt.number(one.loss, 4), 'last update'),
                figure('Score', fmt.number(one.score, 3), '0 random, 1 optimal'),
                figure('Time', fmt.elapsed(one), `${fmt.integer(Math.round(one.steps_per_second))} steps/s`)),
            h('details', {open: isOpen}, h('summary', null, 'Details'), facts([
                ['Seed', one.seed], ['Learning rate', one.learning_rate],
                ['Tickets per episode', one.batch_size], ['Tickets played', fmt.integer(one.env_episodes)],
                ['Steps', fmt.integer(one.env_steps)],
                ['Best accuracy', `${fmt.percent(one.best_accuracy)} (episode ${one.best_episode})`],
                ['Started', fmt.time(one.start_time)], ['Ended', one.end_time && fmt.time(one.end_time)],
                ['Reason', (one.status_reason || '').replace(/_/g, ' ')],
                ['Forked from', one.parent_session_id && h('a',
                    {href: `#/training/${one.parent_session_id}`}, one.parent_session_id)],
                ...Object.entries(one.losses || {}).map(([name, v]) => [`${fmt.words(name)} (loss)`,
                    fmt.short(v)]),
                ...Object.entries(evaluation?.metrics || {}).map(([name, v]) => [fmt.words(name),
                    metricText(name, v)])])));
    }

    drawCharts() {
        const rows = [...this.rows.values()].sort((a, b) => a.episode - b.episode);
        const analysis = this.scenario?.analysis ?? {};
        const domain = [0, Math.max(1, this.session.max_episodes)];
        const played = rows.filter((row) => row.episode > 0);
        const judged = this.judged(rows);
        const points = (list, name) => list.map((row) => [row.episode, row[name]]);

        this.charts.reward.update({domain, series: [
            {name: 'Mean of 100', kind: 1, points: points(played, 'avg_reward')},
            {name: 'This episode', kind: 'raw', points: points(played, 'reward')}].reverse(),
        lines: [{name: 'Optimum', kind: 'optimum', value: analysis.optimal_return},
            {name: 'Random', kind: 'random', value: analysis.random_return}]});
        this.charts.accuracy.update({domain,
            series: [{name: 'Accuracy', kind: 1, points: points(judged, 'accuracy'), dots: true}],
            bands: [{name: '95 % interval', points: judged.filter((row) => Number.isFinite(row.low))
                .map((row) => [row.episode, row.low, row.high])}],
            lines: [{name: 'Optimum', kind: 'optimum', value: analysis.optimal_success * 100},
                {name: 'Random', kind: 'random', value: analysis.random_success * 100}]});
        this.charts.loss.update({domain,
            series: [{name: 'Loss', kind: 2, points: points(played, 'loss')}]});
    }

    /* What evaluations measured, with the 95 % interval: the server's, or computed as it does. The
     * last evaluation of a session is larger than the others, and the history does not tell how many
     * tickets those had; without their events there is no interval then. */
    judged(rows) {
        const out = new Map();

        for (const row of rows.filter((one) => one.evaluated)) {
            const [low, high] = this.evaluationSize ? wilson(row.accuracy, this.evaluationSize) : [NaN, NaN];
            out.set(row.episode, {episode: row.episode, accuracy: row.accuracy, low, high});
        }
        for (const one of this.evaluations.values()) {
            const [low, high] = one.accuracy_ci95;
            out.set(one.episode, {episode: one.episode, accuracy: (100 * one.successes) / one.episodes, low,
                high});
        }
        return [...out.values()].sort((a, b) => a.episode - b.episode);
    }

    drawRows() {
        if (!this.rowsBox.open)
            return;
        const rows = [...this.rows.values()].sort((a, b) => b.episode - a.episode);
        const numeric = ['Episode', 'Reward', 'Mean reward', 'Loss', 'Accuracy', 'Tool reliability', 'Steps']
            .map((title) => ({title, numeric: true}));

        put(this.data, table('History', numeric, rows.map((row) => [row.episode,
            fmt.number(row.reward), fmt.number(row.avg_reward), fmt.number(row.loss, 4),
            row.evaluated ? fmt.percent(row.accuracy) : '', row.evaluated ? fmt.rate(row.tool_reliability) : '',
            fmt.integer(row.env_steps)])));
    }

    drawCheckpoints(list) {
        put(this.checkpoints, list.length === 0 ? empty('No checkpoint yet.')
            : table('Checkpoints', [{title: 'Id'}, {title: 'Episode', numeric: true},
                {title: 'Accuracy', numeric: true}, {title: 'Kind'}, {title: 'Size', numeric: true}, {title: ''}],
            list.map((one) => [one.id, one.episode, fmt.percent(one.accuracy), one.kind,
                fmt.bytes(one.size_bytes), button('Fork', () => guarded(null, () => this.fork(one.id)),
                    {class: 'button small', 'aria-label': `Fork from ${one.id}`})])));
    }
}

/* true: stop and keep the model, false: stop and drop it, undefined: go on. */
async function confirmStop() {
    const answer = await formDialog('Stop training', [
        h('p', null, 'The session ends at the next episode. Its model is saved unless you say otherwise.'),
        field('save', 'Model', {value: 'yes'}, [['yes', 'Save it'], ['no', 'Drop it']])], 'Stop',
    async (form) => form.elements.save.value);

    return answer === undefined ? undefined : answer === 'yes';
}

export async function sessionPage(view) {
    const session = await api.session(view.id);
    const scenario = await api.scenario(session.scenario_id).catch(() => null);

    if (view.isOpen)
        new SessionPage(view, session, scenario).start();
}
