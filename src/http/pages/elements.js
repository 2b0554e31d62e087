/** The element with `id`. @param {string} id */
export function at(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}

/**
 * A new element. Texts in it stay texts and are never read as HTML.
 * @param {string} tag
 * @param {Record<string, unknown>} properties
 * @param {...(Node | string)} children
 */
export function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

const days = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })
const minutes = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** The day of an instant, as written in the language of the browser; its tooltip shows the minute. @param {string} iso */
export function day(iso) {
  const date = new Date(iso)
  return make('time', { dateTime: iso, title: minutes.format(date) }, days.format(date))
}

/** An instant to the minute. @param {string} iso */
export function minute(iso) {
  return make('time', { dateTime: iso }, minutes.format(new Date(iso)))
}

/** Shows what was done. @param {string} text */
export function tell(text) {
  at('trouble').textContent = ''
  at('notice').textContent = text
}

/** Shows what failed. @param {string} text */
export function complain(text) {
  at('notice').textContent = ''
  at('trouble').textContent = text
}

/**
 * Asks for a confirmation; Escape and closing the dialog mean no.
 * @param {string} title
 * @param {string} details
 * @returns {Promise<boolean>}
 */
export function isSure(title, details) {
  const dialog = /** @type {HTMLDialogElement} */ (at('sure'))
  at('sure-title').textContent = title
  at('sure-details').textContent = details
  dialog.returnValue = 'no'
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', function closed() {
      // The browser sends `close` late, so this event may belong to the question before.
      if (dialog.open) return
      dialog.removeEventListener('close', closed)
      resolve(dialog.returnValue === 'yes')
    })
  })
}
