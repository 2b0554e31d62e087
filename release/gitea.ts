import { openAsBlob } from 'node:fs'
import type { Artifact } from './artifacts.ts'
import { packageName, type Place } from './destinations.ts'

/** A repository of a Gitea. */
export interface Target {
  /** Without a slash at the end: https://gitea.example.com */
  url: string
  owner: string
  repository: string
}

/** The fields of Gitea's release that matter here. */
export interface Release {
  id: number
  draft: boolean
  assets: { name: string; size: number; uuid: string }[]
}

/**
 * Gitea's API for one repository and its owner's packages. Every method rejects with the request and the answer. Written against Gitea
 * 1.22 to 1.27: https://docs.gitea.com/api and https://docs.gitea.com/usage/packages/overview
 */
export function giteaAt(target: Target, token: string, signal: AbortSignal) {
  const releases = `/api/v1/repos/${target.owner}/${target.repository}/releases`

  async function ask(method: string, path: string, fine: number[], body?: Blob | FormData | object) {
    const plain = body === undefined || body instanceof Blob || body instanceof FormData
    const answer = await fetch(`${target.url}${path}`, {
      method,
      signal,
      // A redirect would send the token to another host, or turn a PUT into a GET.
      redirect: 'error',
      headers: {
        authorization: `token ${token}`,
        ...(plain ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: plain ? body : JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      signal.throwIfAborted()
      throw new Error(`${method} ${target.url}${path}: ${reasonOf(cause)}`, { cause })
    })
    if (fine.includes(answer.status)) return answer
    const said = (await answer.text()).slice(0, 300)
    throw new Error(`${method} ${target.url}${path}: ${answer.status} ${said}${adviceFor(answer.status)}`)
  }

  return {
    /** The release of `tag`, which may be a draft; null when there is no release, or only the tag. */
    async find(tag: string): Promise<Release | null> {
      const answer = await ask('GET', `${releases}/tags/${encodeURIComponent(tag)}`, [200, 404])
      return answer.status === 404 ? null : releaseIn(await answer.text())
    },

    /** Makes the release of a pushed tag, as a draft, which other users cannot see. */
    async draft(tag: string, notes: string, prerelease: boolean): Promise<Release> {
      const wanted = { tag_name: tag, name: tag, body: notes, draft: true, prerelease }
      return releaseIn(await (await ask('POST', releases, [201], wanted)).text())
    },

    /** Makes the release public. */
    async publish(release: Release): Promise<void> {
      await ask('PATCH', `${releases}/${release.id}`, [200], { draft: false })
    },

    async attach(release: Release, { name, path }: Artifact): Promise<void> {
      const form = new FormData()
      form.append('attachment', await openAsBlob(path), name)
      await ask('POST', `${releases}/${release.id}/assets?name=${encodeURIComponent(name)}`, [201], form)
    },

    /** The text of a small file of a release. */
    async attached(asset: Release['assets'][number]): Promise<string> {
      return (await ask('GET', `/attachments/${asset.uuid}`, [200])).text()
    },

    /** The digests of the registry's files of a version. */
    async digests({ type, version }: Place): Promise<Set<string>> {
      const path = `/api/v1/packages/${target.owner}/${type}/${packageName}/${encodeURIComponent(version)}/files`
      const answer = await ask('GET', path, [200, 404])
      return answer.status === 404 ? new Set() : digestsIn(await answer.text())
    },

    /** Uploads a file to a registry. Returns false when the registry has another file of that name, version and architecture. */
    async put(place: Place, { path }: Artifact): Promise<boolean> {
      const answer = await ask(
        'PUT',
        `/api/packages/${target.owner}/${place.path}`,
        [201, 409],
        await openAsBlob(path),
      )
      return answer.status === 201
    },
  }
}

export type Gitea = ReturnType<typeof giteaAt>

function releaseIn(answer: string): Release {
  const { id, draft, assets }: Release = JSON.parse(answer)
  return { id, draft, assets: (assets ?? []).map(({ name, size, uuid }) => ({ name, size, uuid })) }
}

function digestsIn(answer: string): Set<string> {
  const files: { sha256: string }[] = JSON.parse(answer)
  return new Set(files.map(({ sha256 }) => sha256))
}

function adviceFor(status: number): string {
  if (status === 401) return ' (GITEA_TOKEN is not valid there)'
  if (status === 403) return ' (GITEA_TOKEN needs the scopes write:repository and write:package)'
  return ''
}

/** undici only says "fetch failed"; the reason is in the cause. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return inner instanceof Error ? inner.message : String(inner)
}
