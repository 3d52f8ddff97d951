// The contract of MQTT against the official schema of AsyncAPI.
import { readFileSync } from 'node:fs'
import Ajv from 'ajv'
import addFormats from 'ajv-formats'

const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url)))
const official = read('./node_modules/@asyncapi/specs/schemas/3.0.0.json')
const contract = read('../../docs/reference/mqtt.asyncapi.json')

// Its own copy of draft 07 stands in the schema.
const ajv = new Ajv({ strict: false, allErrors: true, meta: false, validateSchema: false })
addFormats(ajv)
const validate = ajv.compile(official)

const checks = []
const check = (name, ok, detail = '') => checks.push({ name, ok, detail: String(detail) })
const faults = (document) =>
  validate(document)
    ? ''
    : validate.errors.slice(0, 5).map((error) => `${error.instancePath}: ${error.message}`).join('; ')

check('the contract is an AsyncAPI 3 document', faults(contract) === '', faults(contract))
const broken = structuredClone(contract)
broken.operations['cmd.unlock'].action = 'shout'
check('a document with an action there is not is refused', faults(broken) !== '')
const unresolved = Object.values(contract.operations).filter((operation) => {
  const key = operation.channel.$ref.replace('#/channels/', '')
  return contract.channels[key] === undefined
})
check('every operation has its channel', unresolved.length === 0, JSON.stringify(unresolved[0]))
for (const [key, channel] of Object.entries(contract.channels)) {
  const named = [...channel.address.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
  const known = Object.keys(channel.parameters)
  if (named.sort().join() !== known.sort().join()) check(`${key} describes its parameters`, false, known)
}
console.log(JSON.stringify({ checks, logs: '' }))
