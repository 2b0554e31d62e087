import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Metafile } from 'esbuild'
import type { ToolContext } from '../src/tools/tool.ts'
import { isNotice, natsServer, node, nodeRuntime } from './runtimes.ts'

const root = join(import.meta.dirname, '..')

/** A third-party component of the packages. */
export interface Component {
  name: string
  version: string
  /** Its package URL (purl). */
  purl: string
  /** As its authors write it, usually an SPDX expression; null when they name none. */
  license: string | null
  /** The text that its licence requires to be included. */
  notice: string
}

/** The npm packages in the program, Node, and nats-server with its modules, in the order of their purls. */
export async function components(program: Metafile, context: ToolContext): Promise<Component[]> {
  const all = [...(await ofNpm(program)), await ofNode(context), ...(await ofNatsServer(context))]
  // npm may keep the same version of a package in several places.
  const once = new Map(all.map((component) => [component.purl, component]))
  return [...once.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1))
}

async function ofNpm({ inputs }: Metafile): Promise<Component[]> {
  const folders = Object.keys(inputs).map(
    (file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? '',
  )
  const packages = [...new Set(folders)].filter((folder) => folder !== '')
  return Promise.all(
    packages.map(async (folder) => {
      const text = await readFile(join(root, folder, 'package.json'), 'utf8')
      const { name, version, license }: { name: string; version: string; license?: unknown } =
        JSON.parse(text)
      return {
        name,
        version,
        purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
        license: typeof license === 'string' ? license : null,
        notice: await noticeIn(join(root, folder)),
      }
    }),
  )
}

async function ofNode(context: ToolContext): Promise<Component> {
  const { version } = nodeRuntime
  const notice = await noticeIn(await node('amd64', context))
  return { name: 'node', version, purl: `pkg:generic/node@${version}`, license: null, notice }
}

async function ofNatsServer(context: ToolContext): Promise<Component[]> {
  const dir = await natsServer('amd64', context)
  const names = await readdir(join(dir, 'modules'))
  return Promise.all(
    names.map(async (name) => {
      const [, module = '', version = ''] = /^(.*)@(.*)$/.exec(decodeURIComponent(name)) ?? []
      const notice = await noticeIn(join(dir, 'modules', name))
      return { name: module, version, purl: `pkg:golang/${module}@${version}`, license: null, notice }
    }),
  )
}

/** The licence files in a folder; '' when there are none. */
async function noticeIn(folder: string): Promise<string> {
  const files = (await readdir(folder)).filter(isNotice).sort()
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))
  return texts.map((text) => text.trim()).join('\n\n')
}
