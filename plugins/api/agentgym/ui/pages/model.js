/* SPDX-License-Identifier: Apache-2.0 */
/* One model: its figures, and evaluations of it. */
import {api} from '../api.js';
import {confusion} from '../charts.js';
import {button, facts, field, fmt, formDialog, guarded, h, markFields, metricText, pageHead, put, table, toast}
    from '../dom.js';
import {deleteModel, exportDialog, intervalText} from './models.js';

function metrics(values) {
    return facts(Object.entries(values || {}).map(([name, value]) => [fmt.words(name),
        metricText(name, value)]));
}

function traces(worst) {
    return h('ul', {class: 'traces'}, worst.map((one) => h('li', null,
        h('strong', null, `Ticket ${one.index}, return ${fmt.number(one.return)}`),
        h('span', null, one.actions.map((action, i) =>
            `${action} (${fmt.short(one.rewards[i])})`).join(' → ')))));
}

/* The final tools of a scenario, in the order of its columns. */
function finalsOf(scenario, width) {
    const finals = (scenario?.definition?.tools || []).filter((tool) => tool.kind === 'final')
        .map((tool) => tool.name);
    const known = finals.length > 0 && width >= finals.length ? finals : [];

    return Array.from({length: width}, (_, i) => known[i] ?? (i === known.length ? 'none' : `column ${i + 1}`));
}

function result(answer, scenario) {
    const width = answer.confusion[0]?.length ?? 0;

    return [h('div', {class: 'figures'}, [['Accuracy', fmt.percent(answer.accuracy),
        `95 %: ${intervalText(answer.accuracy_ci95)}`],
    ['Mean return', fmt.number(answer.mean_return), `regret ${fmt.number(answer.regret)}`],
    ['Score', fmt.number(answer.score, 3), '0 random, 1 optimal'],
    ['Tickets', fmt.integer(answer.episodes), `${answer.trials} ${answer.trials === 1 ? 'trial' : 'trials'} each`]]
        .map(([label, value, note]) => h('div', {class: 'figure'}, h('span', {class: 'tile-label'}, label),
            h('span', {class: 'figure-value'}, value), h('span', {class: 'tile-note'}, note)))),
    h('h3', null, 'Metrics'), metrics(answer.metrics),
    h('h3', null, 'Success in all of k trials'),
    facts(Object.entries(answer.pass_k).map(([k, value]) => [`k = ${k}`, fmt.rate(value)])),
    h('h3', null, 'By task'),
    table('By task', [{title: 'Task'}, {title: 'Tickets', numeric: true}, {title: 'Accuracy', numeric: true},
        {title: 'Mean return', numeric: true}],
    answer.per_task.map((one) => [one.task, fmt.integer(one.episodes), fmt.percent(one.accuracy),
        fmt.number(one.mean_return)])),
    width > 0 && [h('h3', null, 'How tickets ended'),
        confusion(answer.per_task.map((one) => one.task), finalsOf(scenario, width), answer.confusion)],
    answer.worst_episodes.length > 0 && [h('h3', null, 'Worst tickets'), traces(answer.worst_episodes)]]
        .flat(2).filter(Boolean);
}

function evaluationCard(model, scenario) {
    const out = h('div', {class: 'evaluation', 'aria-live': 'polite'});
    const number = (name, label, min, max, value) =>
        field(name, label, {type: 'number', min, max, step: 1, value});
    const go = h('button', {type: 'submit', class: 'button primary'}, 'Evaluate');
    const form = h('form', {class: 'inline-form', novalidate: true, onsubmit: (event) => {
        event.preventDefault();
        put(out, h('p', {class: 'loading'}, 'Playing'));
        guarded(go, async () => {
            try {
                const value = (name) => Number(form.elements[name].value);
                const answer = await api.evaluate(model.id, {episodes: value('episodes'),
                    seed: value('seed'), trials: value('trials')});
                markFields(form, {});
                put(out, ...result(answer, scenario));
            } catch (error) {
                put(out);
                markFields(form, error.fields || {});
                throw error;
            }
        });
    }}, number('episodes', 'Tickets', 10, 100000, 1000), number('trials', 'Trials each', 1, 16, 1),
    number('seed', 'Seed', 0, Number.MAX_SAFE_INTEGER, 1000003), go);

    return h('section', {class: 'card'}, h('h2', null, 'Evaluate'), form, out);
}

export async function modelPage(view) {
    const model = await api.model(view.id);
    const scenario = await api.scenario(model.scenario).catch(() => null);

    async function rename() {
        const changed = await formDialog('Rename model', [field('name', 'Name', {value: model.name,
            maxlength: 120})], 'Rename', (form) => api.renameModel(model.id, form.elements.name.value));
        if (changed) {
            toast('Renamed.');
            await modelPage(view);
        }
    }

    view.show(pageHead(model.name, `${model.id}, ${scenario?.name ?? model.scenario}`,
        h('a', {class: 'button primary', href: `#/play/${model.scenario}?model=${model.id}`}, 'Play'),
        button('Export', () => guarded(null, () => exportDialog(model))),
        button('Rename', () => guarded(null, rename)),
        button('Delete', async (event) => {
            if (await deleteModel(model, event.currentTarget))
                location.hash = '#/models';
        }, {class: 'button danger'})),
    h('section', {class: 'card'}, h('h2', null, 'Figures'), facts([
        ['Accuracy', fmt.percent(model.accuracy)], ['95 % interval', intervalText(model.accuracy_ci95)],
        ['Claimed by its maker', model.imported && Number.isFinite(model.claimed_accuracy)
            ? fmt.percent(model.claimed_accuracy) : ''],
        ['Score', fmt.number(model.score, 4)], ['Episodes', fmt.integer(model.episodes)],
        ['Tickets', fmt.integer(model.env_episodes)], ['Steps', fmt.integer(model.env_steps)],
        ['Algorithm', model.algorithm], ['Framework', model.framework], ['Seed', model.seed],
        ['Size', fmt.bytes(model.size_bytes)], ['Made', fmt.time(model.created_at)],
        ['Session', model.session_id && !model.imported && h('a', {href: `#/training/${model.session_id}`},
            model.session_id)],
        ['SHA-256', h('code', {class: 'hash'}, model.sha256)]]),
    h('h3', null, 'Metrics'), metrics(model.metrics)),
    evaluationCard(model, scenario));
}
