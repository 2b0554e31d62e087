import { ask } from './api.js'
import { at, isSure, make, minute, tell } from './elements.js'

/**
 * The part of the page about sessions.
 * @param {{ attempt: (work: () => Promise<void>) => Promise<void> }} about
 */
export function sessionsPart({ attempt }) {
  const show = async () => {
    const { results } = await ask('GET', '/auth/sessions')
    const end = (session) =>
      attempt(async () => {
        if (!(await isSure('End this session?', 'Its browser is signed out at once.'))) return
        await ask('DELETE', `/auth/sessions/${session.id}`)
        tell('The session has ended.')
        await show()
      })
    at('sessions').replaceChildren(...results.map((session) => itemOf(session, end)))
  }
  return { show }
}

function itemOf(session, end) {
  const { userAgent, address, createdAt, lastSeenAt, current } = session
  const from = address === null ? '' : ` from ${address}`
  const text = make(
    'div',
    {},
    make(
      'div',
      {},
      browserOf(userAgent),
      make('span', { className: 'quiet' }, current ? ' (this browser)' : ''),
    ),
    make(
      'div',
      { className: 'quiet' },
      'Since ',
      minute(createdAt),
      from,
      ', last seen ',
      minute(lastSeenAt),
    ),
  )
  const button = make(
    'button',
    { type: 'button', className: 'danger', onclick: () => void end(session) },
    'End',
  )
  return make('li', {}, text, ...(current ? [] : [button]))
}

/** A short name for a browser: its user agent string names all its ancestors too. */
function browserOf(userAgent) {
  if (userAgent === null) return 'An unknown browser'
  const name = /(Firefox|Edg|OPR|Chrome|Safari)[\w]*\/\d+/.exec(userAgent)?.[1]
  const system = /(Android|iPhone|iPad|Windows|Mac OS X|Linux|CrOS)/.exec(userAgent)?.[1]
  if (name === undefined) return userAgent
  const known = { Edg: 'Edge', OPR: 'Opera' }[name] ?? name
  return system === undefined ? known : `${known} on ${system}`
}
