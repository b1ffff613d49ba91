/* SPDX-License-Identifier: Apache-2.0 */
/* Play tickets by hand or let a model choose; the model's advice is kept beside every step. */
import {api} from '../api.js';
import {bars} from '../charts.js';
import {button, empty, facts, field, fmt, guarded, h, markFields, pageHead, put, table} from '../dom.js';

const AUTO_MS = 600;
const BARS_MAX = 5;

const outcomeWords = {
    ok: 'did its work', wasted: 'was not due', violation: 'was blocked: not allowed here',
    fault: 'failed by chance', none: '',
};

class PlayPage {
    constructor(view, scenarios, models) {
        this.view = view;
        this.scenarios = scenarios;
        this.models = models;
        this.env = null;
        this.advice = null;
        this.steps = [];
        this.isAuto = false;
        this.board = h('div', {class: 'play'});
        view.onClose(() => {
            clearTimeout(this.autoTimer);
            this.leave();
        });
    }

    leave() {
        if (this.env)
            api.deleteEnv(this.env.env_id).catch(() => undefined); /* it goes by itself when idle */
        this.env = null;
    }

    get modelId() {
        return this.form.elements.model_id.value;
    }

    get isAdviceShown() {
        return this.form.elements.advice.value === 'before';
    }

    get isOver() {
        return this.last?.terminated || this.last?.truncated || false;
    }

    start() {
        const chosen = this.view.id || this.scenarios[0]?.id;
        const scenario = field('scenario_id', 'Scenario', {value: chosen,
            onchange: () => this.listModels()}, this.scenarios.map((one) => [one.id, one.name]));

        this.form = h('form', {class: 'inline-form', novalidate: true, onsubmit: (event) => {
            event.preventDefault();
            this.open();
        }}, scenario, field('model_id', 'Advice from', {onchange: () => this.advise()}, [['', 'nobody']]),
        field('advice', 'Show advice', {onchange: () => this.draw()},
            [['before', 'before I choose'], ['after', 'after I chose']]),
        field('seed', 'Seed', {type: 'number', min: 0, step: 1, value: 42}),
        field('index', 'Ticket', {type: 'number', min: 0, step: 1, value: 0}),
        h('button', {type: 'submit', class: 'button primary'}, 'Open ticket'));
        this.view.show(pageHead('Play', 'Work on tickets yourself, or watch a model'),
            h('section', {class: 'card'}, this.form), this.board);
        this.listModels(this.view.query.get('model'));
        this.view.root.addEventListener('keydown', (event) => this.key(event));
        this.draw();
        return this.open();
    }

    listModels(wanted) {
        const fitting = this.models.filter((one) => one.scenario === this.form.elements.scenario_id.value);
        const best = [...fitting].sort((a, b) => b.accuracy - a.accuracy)[0];

        put(this.form.elements.model_id, h('option', {value: ''}, 'nobody'),
            ...fitting.map((one) => h('option', {value: one.id,
                selected: one.id === (wanted || best?.id)}, `${one.name} (${one.id}, `
                + `${fmt.percent(one.accuracy)})`)));
        this.leave();
        this.draw();
    }

    ticket() {
        const out = {index: Number(this.form.elements.index.value)};

        if (this.form.elements.seed.value !== '')
            out.seed = Number(this.form.elements.seed.value);
        return out;
    }

    async open() {
        const scenarioId = this.form.elements.scenario_id.value;

        this.stopAuto();
        await guarded(null, async () => {
            try {
                if (this.env && this.env.scenario_id === scenarioId) {
                    const again = await api.resetEnv(this.env.env_id, this.ticket());
                    this.env = {...this.env, ...again};
                } else {
                    this.leave();
                    this.env = await api.createEnv(scenarioId, this.ticket());
                }
                markFields(this.form, {});
            } catch (error) {
                markFields(this.form, error.fields || {});
                if (error.status === 404)
                    this.env = null;
                throw error;
            }
            this.last = this.env;
            this.steps = [];
            this.total = 0;
            this.info = null;
        });
        await this.advise();
    }

    next() {
        this.form.elements.index.value = Number(this.form.elements.index.value) + 1;
        return this.open();
    }

    async advise() {
        this.advice = null;
        if (this.env && this.modelId !== '' && !this.isOver)
            await guarded(null, async () => {
                this.advice = await api.act(this.modelId, {observation: this.last.observation});
            });
        this.draw();
    }

    async step(action, by) {
        if (!this.env || this.isOver || this.isBusy)
            return;
        this.isBusy = true;
        await guarded(null, async () => {
            try {
                const answer = await api.stepEnv(this.env.env_id, action);
                this.total += answer.reward;
                this.last = answer;
                this.info = answer.info;
                this.steps.push({action, by, advice: this.advice?.action ?? '', reward: answer.reward,
                    outcome: answer.info.outcome, total: this.total});
            } catch (error) {
                if (error.status === 404)
                    this.env = null;
                throw error;
            } finally {
                this.isBusy = false;
            }
        });
        await this.advise();
    }

    async stepByModel() {
        if (this.advice)
            await this.step(this.advice.action, 'model');
    }

    stopAuto() {
        this.isAuto = false;
        clearTimeout(this.autoTimer);
    }

    async auto() {
        if (!this.view.isOpen || !this.isAuto)
            return;
        await this.stepByModel();
        if (this.isOver || !this.advice)
            this.stopAuto();
        this.draw();
        if (this.isAuto)
            this.autoTimer = setTimeout(() => this.auto(), AUTO_MS);
    }

    toggleAuto() {
        if (this.isAuto) {
            this.stopAuto();
            this.draw();
            return;
        }
        this.isAuto = true;
        this.auto();
    }

    key(event) {
        if (event.target.closest('input, select, textarea') || event.ctrlKey || event.metaKey || event.altKey)
            return;
        const number = '1234567890'.indexOf(event.key);
        const tool = number >= 0 ? this.tools()[number] : undefined;

        if (tool)
            this.step(tool, 'you');
        else if (event.key === 'm')
            this.stepByModel();
        else if (event.key === 'n')
            this.next();
        else
            return;
        event.preventDefault();
    }

    tools() {
        return (this.env?.tools || []).map((tool) => tool.function.name);
    }

    /* ---- drawing ---- */

    draw() {
        const focused = this.board.contains(document.activeElement) ? document.activeElement.dataset.key : null;

        if (!this.env) {
            put(this.board, empty('Open a ticket to begin.'));
            return;
        }
        put(this.board,
            h('div', {class: 'two'}, this.stateCard(), this.isOver ? this.endCard() : this.toolsCard()),
            this.traceCard());
        if (focused)
            (this.board.querySelector(`[data-key="${CSS.escape(focused)}"]`)
                ?? this.board.querySelector('[data-key="next"]'))?.focus();
    }

    stateCard() {
        const state = this.last.state;
        const known = Object.entries(state.facts || {});
        const last = this.steps[this.steps.length - 1];

        return h('section', {class: 'card'}, h('h2', null, 'Ticket'),
            h('p', {class: 'ticket-text', 'aria-live': 'polite'}, this.last.text),
            last && h('p', {class: `outcome is-${last.outcome}`}, h('code', null, last.action), ' ',
                outcomeWords[last.outcome] ?? last.outcome, `, reward ${fmt.number(last.reward)}`),
            facts([['Label', state.label], ['Task', state.task ?? 'not identified'],
                ['Step', `${state.t} of ${this.env.max_steps}`], ['Return', fmt.number(this.total)]]),
            h('h3', null, 'Known facts'),
            known.length === 0 ? h('p', {class: 'muted'}, 'This scenario has none.')
                : h('ul', {class: 'chips'}, known.map(([name, value]) =>
                    h('li', {class: `fact-${value}`}, `${name}: ${value}`))),
            h('h3', null, 'Done'), h('p', null, fmt.list(state.done)));
    }

    toolsCard() {
        const best = this.isAdviceShown ? this.advice?.action : null;
        const done = new Set(this.last.state.done || []);

        return h('section', {class: 'card'}, h('h2', null, 'What next?'),
            h('div', {class: 'tools'}, this.tools().map((tool, i) => button([
                i < 10 && h('kbd', {'aria-hidden': 'true'}, String((i + 1) % 10)), tool,
                tool === best && h('span', {class: 'advice-mark'}, 'recommended')],
            () => this.step(tool, 'you'), {'data-key': tool, class: ['button tool', done.has(tool) && 'is-done',
                tool === best && 'is-best'].filter(Boolean).join(' ')}))),
            this.advice && this.isAdviceShown && this.adviceBars(),
            h('footer', {class: 'actions'},
                button('Let the model choose', () => this.stepByModel(),
                    {disabled: !this.advice, 'data-key': 'model', title: 'Key m'}),
                button(this.isAuto ? 'Halt' : 'Let it play on', () => this.toggleAuto(),
                    {disabled: !this.advice && !this.isAuto, 'data-key': 'auto'}),
                button('Next ticket', () => this.next(), {'data-key': 'next', title: 'Key n'})),
            this.modelId === '' && h('p', {class: 'note'}, 'A model trained on this scenario can advise you. ',
                h('a', {href: '#/scenarios'}, 'Train one')));
    }

    adviceBars() {
        const sorted = Object.entries(this.advice.probabilities).sort((a, b) => b[1] - a[1]);

        return h('div', {class: 'advice'}, h('h3', null, 'What the model would do'),
            bars('Probability of each tool', sorted.slice(0, BARS_MAX).map(([name, share]) => ({name, share,
                isBest: name === this.advice.action}))),
            h('p', {class: 'note'}, `Expected return from here: ${fmt.number(this.advice.value)}. `
                + `Answered in ${this.advice.latency_us} µs.`));
    }

    endCard() {
        const truth = this.info?.truth;
        const agreed = this.steps.filter((one) => one.advice !== '' && one.advice === one.action).length;
        const advised = this.steps.filter((one) => one.advice !== '').length;
        const analysis = this.analysis?.[this.env.scenario_id];

        if (!analysis)
            this.loadAnalysis();
        return h('section', {class: 'card'}, h('h2', null, 'How it ended'),
            h('p', {class: `verdict ${this.info?.success ? 'is-good' : 'is-bad'}`},
                this.info?.success ? 'Success' : this.last.truncated ? 'Out of steps' : 'Not a success'),
            facts([['Return', fmt.number(this.total)],
                ['Best mean return', analysis && fmt.number(analysis.optimal_return)],
                ['Calls', this.info?.calls], ['Wasted', this.info?.wasted],
                ['Violations', this.info?.violations], ['True task', truth?.task],
                ['Followed advice', advised > 0 ? `${agreed} of ${advised}` : '']]),
            truth?.facts && [h('h3', null, 'The hidden truth'), h('ul', {class: 'chips'},
                Object.entries(truth.facts).map(([name, value]) =>
                    h('li', {class: `fact-${value}`}, `${name}: ${value}`)))],
            h('footer', {class: 'actions'},
                button('Next ticket', () => this.next(), {class: 'button primary', 'data-key': 'next'}),
                button('Same ticket again', () => this.open(), {'data-key': 'again'})));
    }

    async loadAnalysis() {
        const id = this.env.scenario_id;

        this.analysis = {...this.analysis, [id]: {}};
        try {
            this.analysis[id] = (await api.scenario(id)).analysis || {};
        } catch {
            return; /* the card does without it */
        }
        if (this.view.isOpen)
            this.draw();
    }

    traceCard() {
        if (this.steps.length === 0)
            return '';
        return h('section', {class: 'card'}, h('h2', null, 'Steps'),
            table('Steps', [{title: 'Step', numeric: true}, {title: 'Tool'}, {title: 'Chosen by'},
                {title: 'Recommended'}, {title: 'Outcome'}, {title: 'Reward', numeric: true},
                {title: 'Return', numeric: true}],
            this.steps.map((one, i) => [i + 1, h('code', null, one.action), one.by,
                one.advice === '' ? '–' : h('code', {class: one.advice === one.action ? 'agrees' : 'differs'},
                    one.advice), one.outcome, fmt.number(one.reward), fmt.number(one.total)])));
    }
}

export async function playPage(view) {
    const [scenarios, models] = await Promise.all([api.scenarios(), api.models().then((list) => list.items)]);

    if (view.isOpen)
        await new PlayPage(view, scenarios, models).start();
}
