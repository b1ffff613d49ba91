/* SPDX-License-Identifier: Apache-2.0 */
/* The form that starts a session. Empty fields are left to the server's defaults. */
import {api, ApiError} from '../api.js';
import {field, formDialog, guarded, h, toast} from '../dom.js';
import {cachedSettings, setActiveSession} from '../store.js';

export const FRAMEWORKS = ['LangChain', 'AutoGen', 'CrewAI', 'Generic'];

const NUMBERS = ['max_episodes', 'learning_rate', 'seed', 'batch_size', 'discount_factor', 'eval_interval',
    'eval_episodes', 'checkpoint_interval', 'target_accuracy', 'pace_ms'];
const WORDS = ['framework', 'algorithm', 'reward_mode', 'name', 'init_model_id', 'checkpoint_id'];

function number(name, label, min, max, attributes = {}) {
    return field(name, label, {type: 'number', min, max, step: 'any', inputmode: 'decimal', ...attributes});
}

/* The values of a form as a request body; what is not a number goes as text, for the server to say. */
export function bodyOf(form) {
    const body = {};
    const value = (name) => form.elements[name]?.value.trim() ?? '';

    for (const name of NUMBERS) {
        const control = form.elements[name];
        if (control?.validity.badInput)
            throw new ApiError(0, 'number', 'Please check the marked fields.', {[name]: 'is not a number'});
        if (value(name) !== '')
            body[name] = Number(value(name));
    }
    for (const name of WORDS)
        if (value(name) !== '')
            body[name] = value(name);
    if (value('tags') !== '')
        body.tags = value('tags').split(',').map((tag) => tag.trim()).filter(Boolean);
    if (value('hyperparameters') !== '') {
        try {
            body.hyperparameters = JSON.parse(value('hyperparameters'));
        } catch {
            throw new ApiError(0, 'json_invalid', '', {hyperparameters: 'is not JSON'});
        }
    }
    return body;
}

export function advancedFields() {
    return h('details', {class: 'advanced'}, h('summary', null, 'More settings'),
        h('div', {class: 'form-grid'},
            number('seed', 'Seed', 0, Number.MAX_SAFE_INTEGER, {hint: 'Empty: drawn and recorded'}),
            number('batch_size', 'Tickets per episode', 1, 4096, {placeholder: '64'}),
            number('discount_factor', 'Discount factor', 0, 1, {placeholder: '0.99'}),
            field('reward_mode', 'Reward', {}, [['', 'Default'], ['shaped', 'Shaped'],
                ['sparse', 'Sparse (end only)']]),
            number('eval_interval', 'Evaluate every', 1, 1000, {placeholder: '10', hint: 'Episodes'}),
            number('eval_episodes', 'Tickets per evaluation', 10, 10000, {placeholder: '200'}),
            number('checkpoint_interval', 'Checkpoint every', 0, 1000, {hint: 'Episodes; 0: only on pause'}),
            number('target_accuracy', 'Stop at accuracy', 0, 100, {hint: 'Percent; empty: never'}),
            number('pace_ms', 'Slow down to', 0, 10000, {placeholder: '0', hint: 'ms per episode, to watch'}),
            field('name', 'Name', {maxlength: 120}),
            field('tags', 'Tags', {hint: 'Separated by commas'})),
        field('hyperparameters', 'Hyperparameters', {type: 'textarea', rows: 3, class: 'code',
            spellcheck: 'false', placeholder: '{"entropy_start": 0.06}', hint: 'JSON object'}));
}

/* settings: the server's defaults; init: models that may be the start. */
function nodes(scenario, settings, algorithms, models) {
    const rate = number('learning_rate', 'Learning rate', 0, 1, {value: settings.learningRate ?? 0.001});
    const algorithm = field('algorithm', 'Algorithm', {value: 'ppo', onchange: (event) => {
        const chosen = algorithms.find((one) => one.id === event.target.value);
        if (chosen)
            rate.querySelector('input').value = chosen.id === 'ppo' && settings.learningRate
                ? settings.learningRate : chosen.default_learning_rate;
    }}, algorithms.map((one) => [one.id, one.id]));

    return [h('p', {class: 'muted'}, scenario.description),
        h('div', {class: 'form-grid'},
            field('framework', 'Framework', {value: settings.framework || 'LangChain',
                hint: 'Chooses the export; the numbers are the same'}, FRAMEWORKS),
            algorithm,
            number('max_episodes', 'Episodes', 1, 1000, {value: settings.maxEpisodes ?? 200, step: 1}),
            rate,
            field('init_model_id', 'Start from', {}, [['', 'Nothing learned'],
                ...models.map((model) => [model.id, `${model.name} (${model.id})`])])),
        advancedFields()];
}

/* A start whose answer got lost is sent again under the same key, so that one session comes of it. */
function startOnce() {
    let key = null, sent = '';

    return async (body) => {
        if (key === null || JSON.stringify(body) !== sent)
            key = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0'))
                .join('');
        sent = JSON.stringify(body);
        try {
            return await api.startTraining(body, key);
        } catch (error) {
            if (error.status !== 0)
                key = null;
            throw error;
        }
    };
}

export async function startDialog(scenario, given) {
    const settings = {...cachedSettings(), ...given};
    const [algorithms, models] = await Promise.all([api.algorithms().catch(() => []),
        api.models({scenario: scenario.id}).then((list) => list.items).catch(() => [])]);
    const start = startOnce();
    const started = await guarded(null, () => formDialog(`Train on ${scenario.name}`,
        nodes(scenario, settings, algorithms.length > 0 ? algorithms : [{id: 'ppo'}], models),
        'Start training', (form) => start({scenario_id: scenario.id, ...bodyOf(form)})));

    if (!started)
        return;
    setActiveSession(started.session_id);
    if (started.session_status === 'pending')
        toast('All slots are busy; the session waits in the queue.');
    location.hash = `#/training/${started.session_id}`;
}
