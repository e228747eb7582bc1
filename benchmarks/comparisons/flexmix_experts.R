# The iterations of one mixture of experts with flexmix, which has no threads:
#   Rscript flexmix_experts.R constant|softmax N P K FOLDER ITERATIONS
suppressPackageStartupMessages(library(flexmix))
args <- commandArgs(TRUE)
n <- as.integer(args[2]); p <- as.integer(args[3]); K <- as.integer(args[4])
folder <- args[5]; iterations <- as.integer(args[6])
doubles <- function(name, count) readBin(file.path(folder, name), "double", count, endian = "little")
x <- matrix(doubles("x", n * p), n, p, byrow = TRUE)
y <- doubles("y", n)
start <- matrix(doubles("responsibilities", n * K), n, K)
data <- data.frame(y = y, x)
covariates <- paste(colnames(data)[-1], collapse = " + ")
gate <- if (args[1] == "softmax") FLXPmultinom(as.formula(paste("~", covariates))) else FLXPconstant()
# flexmix divides the squared errors by n - p - 1, not by n: its own weighted least squares, with the maximum likelihood.
model <- FLXMRglm()
model@fit <- function(x, y, w, component) {
  fit <- lm.wfit(x, y, w = w)
  variance <- sum(w * fit$residuals^2) / sum(w)
  model@defineComponent(list(coef = coef(fit), df = ncol(x) + 1, sigma = sqrt(variance)))
}
# An M-step from the start, then so many E- and M-steps; a negative tolerance never ends it.
fit <- function(count) {
  control <- list(iter.max = count, minprior = 0, tolerance = -1)
  seconds <- system.time(suppressWarnings(
    result <- flexmix(as.formula(paste("y ~", covariates)), data = data, k = K, cluster = start, model = model, control = control,
                      concomitant = gate)))[["elapsed"]]
  list(seconds = seconds, mean_log_likelihood = result@logLik / n)
}
one <- fit(2)
all <- fit(iterations + 1)
cat("version flexmix", as.character(packageVersion("flexmix")), "with R", as.character(getRversion()), "\n")
cat(sprintf("mean_log_likelihood %.17g\n", all$mean_log_likelihood))
cat(sprintf("seconds_per_iteration %.6g\n", (all$seconds - one$seconds) / (iterations - 1)))
