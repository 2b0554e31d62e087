import { ask } from './api.js'
import { at, day, isSure, make, minute, tell } from './elements.js'

/** The words for each scope, and whether its box is checked at first. */
const words = {
  'pins:read': ['read pins', true],
  'pins:write': ['pin', true],
  'pins:delete': ['remove pins', true],
  'tokens:manage': ['make and end tokens', false],
  'org:admin': ['administer the org', false],
  'cluster:admin': ['operate the cluster', false],
}

/** Why this person can neither see nor make tokens. */
function whyNone(org, isSuspended) {
  if (org === null)
    return 'You are not a member of any org: ask an admin of your org to add you, and give them your id above.'
  return isSuspended
    ? 'This org is suspended: until an operator resumes it, its tokens are refused and no token can be ' +
        'made.'
    : 'Your role in this org does not allow you to make tokens.'
}

/**
 * The part of the page about tokens, for one person in one org.
 * @param {{ org: string | null, isSuspended: boolean, userId: string, scopes: string[], attempt: (work: () => Promise<void>) => Promise<void> }} about
 */
export function tokensPart({ org, isSuspended, userId, scopes, attempt }) {
  const mayManage = org !== null && scopes.includes('tokens:manage')
  at('new-token').hidden = !mayManage
  at('tokens').hidden = true
  const none = at('tokens-none')
  none.hidden = mayManage
  none.textContent = whyNone(org, isSuspended)
  if (!mayManage) return { show: async () => {} }

  offer(scopes)
  const show = async () => {
    const { results } = await ask('GET', '/tokens', { org })
    const end = (token) =>
      attempt(async () => {
        const name = token.name ?? token.id
        if (
          !(await isSure(
            `End ${name}?`,
            'Programs that use this token are refused from now on. This cannot be undone.',
          ))
        )
          return
        await ask('DELETE', `/tokens/${token.id}`, { org })
        tell(`${name} is revoked.`)
        await show()
        at('tokens-title').focus()
      })
    at('tokens').replaceChildren(...results.map((token) => itemOf(token, userId, end)))
    at('tokens').hidden = results.length === 0
    none.hidden = results.length > 0
    none.textContent = 'There are no tokens yet.'
  }
  const form = /** @type {HTMLFormElement} */ (at('new-token'))
  form.onsubmit = (event) => {
    event.preventDefault()
    void attempt(async () => {
      const made = await ask('POST', '/tokens', { org, body: wished(form) })
      form.reset()
      showOnce(made)
      await show()
    })
  }
  return { show }
}

/** Takes the secret off the page. */
export function forgetSecret() {
  at('made').hidden = true
  at('how-to').textContent = ''
  inputAt('secret').value = ''
}

/** @param {string[]} scopes */
function offer(scopes) {
  const boxes = scopes.map((scope) => {
    const [text, usual] = words[scope] ?? [scope, false]
    const box = make('input', { type: 'checkbox', name: 'scopes', value: scope, defaultChecked: usual })
    return make('label', { title: scope }, box, ` ${text}`)
  })
  at('scopes').replaceChildren(...boxes)
}

/** The body of the request that the form asks for. @param {HTMLFormElement} form */
function wished(form) {
  const name = inputAt('name').value.trim()
  return {
    ...(name === '' ? {} : { name }),
    scopes: new FormData(form).getAll('scopes'),
    ttlSeconds: Number(inputAt('days').value) * 86_400,
  }
}

function showOnce({ token }) {
  const box = inputAt('secret')
  box.value = token
  at('how-to').textContent = `ipfs pin remote service add anchorage ${location.origin}/v1 ${token}`
  at('made').hidden = false
  at('made').focus()
  at('forget').onclick = () => {
    forgetSecret()
    at('tokens-title').focus()
  }
  at('copy').onclick = async () => {
    box.select()
    try {
      await navigator.clipboard.writeText(token)
      tell('Copied.')
    } catch {
      tell('The token is selected: copy it with your keyboard.')
    }
  }
}

/** @param {string} id */
function inputAt(id) {
  return /** @type {HTMLInputElement} */ (at(id))
}

function itemOf(token, userId, end) {
  const { name, id, scopes, expiresAt, lastUsedAt, revokedAt, endedBy, createdBy } = token
  const isOver = endedBy !== null
  const over = endedBy === 'key' ? ['ended with its key'] : ['ended ', day(revokedAt ?? expiresAt)]
  const until = isOver ? over : ['until ', day(expiresAt)]
  const used = lastUsedAt === null ? ['never used'] : ['last used ', minute(lastUsedAt)]
  const by = make('span', { title: createdBy ?? '' }, `made by ${makerOf(createdBy, userId)}`)
  const text = make(
    'div',
    { className: isOver ? 'over' : '' },
    make('div', { title: id }, name ?? id),
    make('div', { className: 'quiet' }, scopes.join(', ')),
    make('div', { className: 'quiet' }, ...until, ' · ', ...used, ' · ', by),
  )
  const button = make(
    'button',
    { type: 'button', className: 'danger', onclick: () => void end(token), ariaLabel: `End ${name ?? id}` },
    'End',
  )
  return make('li', {}, text, ...(isOver ? [] : [button]))
}

function makerOf(createdBy, userId) {
  if (createdBy === null) return 'an operator'
  if (createdBy === userId) return 'you'
  return createdBy.startsWith('tok_') ? 'a token' : 'a member'
}
