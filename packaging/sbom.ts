import type { Component } from './components.ts'

/** The bill of materials of all packages, as CycloneDX 1.6 JSON (ECMA-424). The same components give the same text. */
export function sbom(version: string, epoch: number, components: readonly Component[]): string {
  const purl = `pkg:generic/anchorage@${version}`
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString(),
      component: { type: 'application', 'bom-ref': purl, name: 'anchorage', version, purl },
    },
    components: components.map((component) => ({
      type: component.name === 'node' ? 'platform' : 'library',
      'bom-ref': component.purl,
      name: component.name,
      version: component.version,
      purl: component.purl,
      ...(component.license === null ? {} : { licenses: [{ expression: component.license }] }),
    })),
    dependencies: [{ ref: purl, dependsOn: components.map((component) => component.purl) }],
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

/** The text of Debian's copyright file: our own terms, then those of all components in the packages. */
export function copyright(own: string, components: readonly Component[]): string {
  const parts = components.map(({ name, version, license, notice }) => {
    const title = `${name} ${version}${license === null ? '' : ` (${license})`}`
    return `${'='.repeat(78)}\n${title}\n\n${notice}\n`
  })
  return `${own.trim()}\n\nThe package carries parts of others, under these terms:\n\n${parts.join('\n')}`
}
