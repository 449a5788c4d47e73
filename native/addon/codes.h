// The codes of operations, mirrored in lib/native/addon.ts (Op).
#pragma once

#include <cstdint>

namespace artifactstore {

enum Code : uint32_t {
  kOpen = 1,
  kClose,
  kHealth,
  kIngestBegin,
  kIngestAppend,
  kIngestCommit,
  kIngestAbort,
  kIngestMany,
  kFilesMany,
  kFilePump,
  kReadStart,
  kReadNext,
  kReadClose,
  kVerifyBegin,
  kVerifyPump,
  kVerifyFinish,
  kVerifyAbort,
  kVerifyMany,
  kRemoveMany,
  kCompact,
  kSessionBegin,
  kSessionCheckpoint,
  kSessionLook,
  kSessionRemove,
  kSessionList,
  kSync,
  kSinkBegin,
  kSinkPump,
  kSinkClose,
  kWalkBegin,
  kWalkNext,
  kWalkEnd,
  kReadMany = 40,
  kSenderBegin,
  kSenderPump,
  kSenderClose,
  kIngestReceive,
  kIngestReceivePieces,
  kIngestReceiveMany,
  kReadNodes = 50,
  kOpenBeneath = 60,
  kList,
  kProvenFileBegin = 70,
  kProvenFileReceive,
  kProvenFileAppend,
  kProvenFileEnd,
  kProvenFileAbort,
  kPiecesReceive = 80,
};

}  // namespace artifactstore
