import { it } from "vitest";
import { readFileSync, writeFileSync, readdirSync, mkdirSync } from "node:fs";
import { virtualBoxLab } from "#e2e/lab/virtualbox/virtualbox.ts";
import { Scratch } from "../testing/scratch.ts";
it("x", () => {
  using s = new Scratch();
  using lab = virtualBoxLab();
  const raw = s.raw("in.raw", 20*1048576, [[0,100],[3*1048576,1048576]]);
  for (const [f,e] of [["VDI","vdi"],["VMDK","vmdk"],["VHD","vhd"]] as const) {
    mkdirSync(s.path(e));
    const base = s.path(`${e}/base.${e}`);
    lab.vboxManage("convertfromraw", raw, base, "--format", f);
    const child = s.path(`${e}/child.${e}`);
    try { console.log(lab.vboxManage("createmedium","disk","--diffparent",base,"--filename",child,"--format",f)); } catch (err) { console.log(String(err)); continue; }
    console.log(readdirSync(s.path(e)).join());
    if (e==="vmdk") { for (const x of [base, child]) { const b=readFileSync(x); console.log(b.subarray(0,4).toString("latin1"), b.toString("latin1").match(/# Disk Desc[^\0]*/)?.[0]); } }
    console.log(lab.vboxManage("showmediuminfo","disk",child));
  }
  console.log(lab.vboxManage("--help").slice(0,100));
}, 120000);
