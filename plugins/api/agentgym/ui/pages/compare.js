/* SPDX-License-Identifier: Apache-2.0 */
/* Two to eight sessions or models side by side. */
import {api} from '../api.js';
import {LineChart} from '../charts.js';
import {empty, fmt, h, pageHead, table} from '../dom.js';

const figures = [['accuracy', 'Accuracy', (v) => fmt.percent(v)], ['score', 'Score', (v) => fmt.number(v, 3)],
    ['avg_reward', 'Mean reward', (v) => fmt.number(v)], ['status', 'Status', (v) => v],
    ['algorithm', 'Algorithm', (v) => v], ['framework', 'Framework', (v) => v],
    ['learning_rate', 'Learning rate', (v) => v], ['seed', 'Seed', (v) => v],
    ['env_steps', 'Steps', (v) => fmt.integer(v)], ['size_bytes', 'Size', (v) => fmt.bytes(v)]];

function cellText(value) {
    return value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function verdict(answer) {
    const test = answer.test;

    if (!test)
        return null;
    const [low, high] = test.ci95;
    return h('p', {class: 'verdict'}, `The second differs from the first by ${fmt.number(test.delta)} points `
        + `of ${test.metric} (95 %: ${fmt.number(low)} to ${fmt.number(high)}). `,
    h('strong', null, test.significant ? 'That is more than chance.' : 'That may be chance.'));
}

function historyChart(answer, labels) {
    const history = answer.history;

    if (!history || history.episodes.length === 0)
        return null;
    const chart = new LineChart({title: 'Accuracy', digits: 1, unit: ' %', min: 0, max: 100});
    chart.update({domain: [0, Math.max(...history.episodes)], series: answer.items.map((item, i) => ({
        name: labels[i], kind: i + 1, points: history.episodes.map((episode, k) =>
            [episode, (history.accuracy[item.id] || [])[k]]).filter((p) => Number.isFinite(p[1])),
    }))});
    return h('section', {class: 'card'}, chart.node);
}

export async function comparePage(view) {
    const kind = view.query.has('models') ? 'models' : 'sessions';
    const ids = view.query.get(kind) || '';

    if (ids === '') {
        view.show(pageHead('Compare'), empty('Select two or more sessions or models first.',
            h('a', {class: 'button', href: '#/training'}, 'Sessions'),
            h('a', {class: 'button', href: '#/models'}, 'Models')));
        return;
    }
    const answer = await api.compare({[kind]: ids});
    const labels = answer.items.map((item) => item.name || item.id);
    const folder = kind === 'models' ? 'models' : 'training';
    const columns = [{title: ''}, ...answer.items.map((item, i) => ({numeric: true,
        title: h('span', null, h('a', {href: `#/${folder}/${item.id}`}, labels[i]),
            item.id === answer.best && h('span', {class: 'badge is-completed'}, 'best'))}))];
    const known = figures.filter(([name]) => answer.items.some((item) => item[name] !== undefined));
    const others = Object.entries(answer.differences).filter(([name]) =>
        !figures.some(([shown]) => shown === name));

    view.show(pageHead('Compare', `${answer.items.length} ${kind}`,
        h('a', {class: 'button', href: `#/${folder}`}, 'Back')),
    !answer.same_scenario && h('p', {class: 'problem'},
        'They belong to different scenarios; their figures do not measure the same thing.'),
    h('section', {class: 'card'}, h('h2', null, 'Figures'), verdict(answer),
        table('Figures', columns, [
            ...known.map(([name, label, text]) => [h('strong', null, label),
                ...answer.items.map((item) => (item[name] === undefined ? '–' : text(item[name])))]),
            ...others.map(([name, values]) => [h('strong', null, fmt.words(name)),
                ...values.map(cellText)])])),
    historyChart(answer, labels));
}
